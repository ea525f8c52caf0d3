"""Strategy `llm`: a model of the routing tier chooses the tier. On any failure `default_tier` is used, and `why` tells which."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS
from octoroute.domain.request import Facts
from octoroute.errors import OctorouteError
from octoroute.routing.llm_answer import UnusableAnswer, read_answer
from octoroute.routing.llm_prompt import question, system
from octoroute.routing.strategies.base import Ask, RouterSettings

_log = logging.getLogger(__name__)

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"tier": {"type": "string", "enum": [tier.value for tier in CHAT_TIERS]}},
    "required": ["tier"],
    "additionalProperties": False,
}

CHOSEN = "the routing model chose it"
NOT_ASKED = "the routing model would be asked"
NO_WORDS = "no new words of the user: the routing model is not asked"
UNEXPECTED = "internal_error"
FAILURES: Mapping[str, str] = {
    code: f"the routing model failed: {what}"
    for code, what in (
        ("upstream_timeout", "no answer in time"),
        ("upstream_unreachable", "no connection"),
        ("upstream_rate_limited", "it is rate limited"),
        ("upstream_overloaded", "it is overloaded"),
        ("upstream_failed", "its endpoint failed"),
        ("upstream_error", "its endpoint failed in an unknown way"),
        ("upstream_misconfigured", "its endpoint does not accept our credentials"),
        ("upstream_declined", "its endpoint declined the question"),
        ("context_length_exceeded", "the question does not fit its context window"),
        ("no_endpoint_available", "no endpoint is available"),
        ("router_empty", "its answer was empty"),
        ("router_refusal", "it refused to answer"),
        ("router_unparseable", "its answer names no tier"),
        ("router_too_long", "its answer was too long"),
        (UNEXPECTED, "an unexpected error"),
    )
}
"""Error code → `why`. A code that is not listed counts as `UNEXPECTED`."""

REASONS: Mapping[str, str] = {CHOSEN: "model", NOT_ASKED: "not_asked", NO_WORDS: "no_words"} | {
    why: code for code, why in FAILURES.items()
}


class DryRun(Exception):
    """Raised by an `Ask` that must not send anything; the decision then says that the model would be asked."""


async def never_ask(_system: str, _question: str, _schema: Mapping[str, Any]) -> str:
    """The `Ask` for explaining a decision without sending a request."""
    raise DryRun


class LlmRouter:
    __slots__ = ("_ask", "_default_tier", "_system")

    def __init__(self, settings: RouterSettings, ask: Ask) -> None:
        self._ask = ask
        self._default_tier = settings.default_tier
        self._system = system(settings.tier_descriptions)

    async def route(self, facts: Facts) -> Decision:
        if facts.continues or not facts.text or facts.text.isspace():
            return Decision(tier=self._default_tier, by="default", why=NO_WORDS)
        try:
            answer = await self._ask(self._system, question(facts), SCHEMA)
            return Decision(tier=read_answer(answer), by="llm", why=CHOSEN)
        except DryRun:
            return Decision(tier=self._default_tier, by="default", why=NOT_ASKED)
        except (OctorouteError, UnusableAnswer) as error:
            return self._failed(error, error.code)
        except TimeoutError as error:
            return self._failed(error, "upstream_timeout")
        except Exception as error:  # noqa: BLE001  a defect of ours must not cost the client its answer
            return self._failed(error, UNEXPECTED)

    def _failed(self, error: Exception, code: str) -> Decision:
        # At debug only: the text of an unusable answer may repeat the prompt.
        _log.debug("routing model failed: %s", error, exc_info=code == UNEXPECTED)
        return Decision(tier=self._default_tier, by="default", why=FAILURES.get(code, FAILURES[UNEXPECTED]))


def build(settings: RouterSettings, ask: Ask) -> LlmRouter:
    return LlmRouter(settings, ask)
