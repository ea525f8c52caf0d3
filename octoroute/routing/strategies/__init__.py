"""Routing strategies by their configuration names. A new one is a file and a line here; contract tests then cover it."""

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
"""Values of `routing.strategy`."""

REASONS: Mapping[str, str] = {**rule.REASONS, **llm.REASONS, **learned.REASONS, **cascade.REASONS}
"""Every `why` of a router → its word for metric labels."""


def reason(decision: Decision) -> str:
    """The decision's `why` as a metric label: a word of a closed set, "other" for a `why` that no router registered."""
    return REASONS.get(decision.why, "other")
