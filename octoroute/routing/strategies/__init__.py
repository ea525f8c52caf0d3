"""The routing strategies by the name they have in the configuration. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from octoroute.domain.decision import Decision
from octoroute.routing.strategies import cascade, hybrid, learned, llm, rule
from octoroute.routing.strategies.base import Ask, Builder, CascadeOptions, Router, RouterSettings
from octoroute.routing.strategies.llm import never_ask

__all__ = ["REASONS", "STRATEGIES", "Ask", "Builder", "CascadeOptions", "Router", "RouterSettings", "never_ask", "reason"]

STRATEGIES: Mapping[str, Builder] = {
    "rule": rule.build,
    "llm": llm.build,
    "hybrid": hybrid.build,
    "learned": learned.build,
    "cascade": cascade.build,
}

REASONS: Mapping[str, str] = {**rule.REASONS, **llm.REASONS, **learned.REASONS, **cascade.REASONS}
"""Every `why` a router may give → its word for metric labels. A router that says something new adds it here."""


def reason(decision: Decision) -> str:
    """A word from a closed set, fit for a metric label."""
    return REASONS.get(decision.why, "other")
