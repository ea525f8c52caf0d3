"""The trace of one decision: everything that it depended on, by reference, and without text.

It exists only while the history is on. The decision record is made from it when the request has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.principal import Restrictions
from octoroute.domain.request import PROVIDER_HEADER, TIMEOUT_HEADER, Facts, Importance, Request, Task

MAX_MODEL_CHARS = 256
_FLAGS = ("tools", "images", "json", "attachments", "continues")
_ANSWERED, _TIMED, _STREAM = 1 << 5, 1 << 6, 1 << 7


class NumericFacts(msgspec.Struct, frozen=True, array_like=True):
    """The facts of a request that are no text."""

    tokens: int
    added_tokens: int
    context_tokens: int
    output_tokens: int | None
    messages: int
    flags: int
    """Bits: those of `_FLAGS`, then: an assistant's message came before; the client limits its wait; it asked for a stream."""
    importance: Importance | None = None
    task: Task | None = None
    quality: float | None = None

    def facts(self) -> Facts:
        """Without text; a stand-in for the assistant's message, if there was one."""
        flags = {name: bool(self.flags & (1 << bit)) for bit, name in enumerate(_FLAGS)}
        facts = Facts(
            tokens=self.tokens,
            added_tokens=self.added_tokens,
            context_tokens=self.context_tokens,
            output_tokens=self.output_tokens,
            messages=self.messages,
            importance=self.importance,
            task=self.task,
            quality=self.quality,
            earlier=(("assistant", ""),) if self.flags & _ANSWERED else (),
        )
        return msgspec.structs.replace(facts, **flags)

    @classmethod
    def of(cls, request: Request) -> NumericFacts:
        facts = request.facts
        flags = (
            facts.tools
            | facts.images << 1
            | facts.json << 2
            | facts.attachments << 3
            | facts.continues << 4
            | _has_answer(facts.earlier) << 5
            | (TIMEOUT_HEADER in request.headers) << 6
            | request.stream << 7
        )
        return cls(
            facts.tokens,
            facts.added_tokens,
            facts.context_tokens,
            facts.output_tokens,
            facts.messages,
            flags,
            facts.importance,
            facts.task,
            facts.quality,
        )

    @property
    def stream(self) -> bool:
        return bool(self.flags & _STREAM)

    @property
    def limits_wait(self) -> bool:
        return bool(self.flags & _TIMED)


def _has_answer(earlier: Sequence[tuple[str, str]]) -> bool:
    for role, _ in earlier:  # noqa: SIM110 - three times as fast as `any`
        if role == "assistant":
            return True
    return False


class BudgetUse(msgspec.Struct, frozen=True, array_like=True):
    """What limits and budgets meant for a request."""

    quality: float | None = None
    """The quality that the fullest budget left the request, in place of the client's; None: the client's."""
    money_left_micros: int | None = None
    """In the narrowest budget of its key, with what the request had reserved; None: it has no budget."""
    refusal: str | None = None
    """Why a limit did not permit the request, or one of its attempts; None: all were permitted."""


class EndpointState(msgspec.Struct, array_like=True):
    """What was known of an endpoint's availability while a plan was made; the default: available without reservation."""

    unavailable: str | None = None
    """Why it could not be asked then; None: it could."""
    suspect: bool = False
    """Its probes had failed: it is asked after all others."""
    needs_trial: bool = False
    """Its circuit was not closed: the next request is a trial."""
    domain_down: bool = False
    """Everything at its address with its key failed."""
    unsupported: str | None = None
    """Why its wire format cannot express the request; None: it can."""


PlanKind: TypeAlias = Literal["fast", "each", "extended", "suspects"]
"""fast: every endpoint of the tier was available. each: every endpoint was looked at. extended: endpoints to ask after those of the
plan before; suspects: only those that its probes take for dead.
"""


class PlanInputs(msgspec.Struct):
    """One plan: what it depended on beside the request, the decision, and the settings, and its result.

    Nothing is changed once it is made: requests may share it.
    """

    how: PlanKind
    seeds: tuple[int, ...] = ()
    """For each order that the load balancing policy made, the seed of its random numbers."""
    ranks: tuple[tuple[float, ...], ...] = ()
    """For each of these orders, what the policy knew of each endpoint."""
    states: dict[str, EndpointState] = {}
    """By endpoint id; one that is left out has the default state."""
    cuts: dict[str, tuple[int, int | None] | None] = {}
    """By endpoint id, context tokens and output limit of the request as truncated for it; None: it could not be truncated."""
    order: Sequence[Endpoint] = ()
    """The result: the endpoints to ask, best first."""
    excluded: Mapping[str, str] = {}
    """The result: by endpoint id, why it cannot be asked."""


class PlanTrace(NamedTuple):
    """One plan of a request."""

    inputs: PlanInputs
    decision: Decision
    """What was planned."""
    facts: NumericFacts | None
    """Of the request as `[context]` changed it; None: as it arrived."""


class SeededRandom:
    """Random numbers, 0 up to 1, that follow from a seed: a linear congruential generator (Knuth's MMIX), its upper 53 bits."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed

    def __call__(self) -> float:
        self._state = state = (self._state * 6364136223846793005 + 1442695040888963407) & 0xFFFF_FFFF_FFFF_FFFF
        return (state >> 11) * 2.0**-53


class DecisionTrace(msgspec.Struct):
    """It has no text of the request, so that many can be kept."""

    facts: NumericFacts
    """Of the request as it arrived."""
    model: str
    """That the client asked for; its first characters."""
    api: str
    provider: str | None
    """The provider that the client chose by header."""
    settings: object
    """The `gateway.settings.Settings` that the request began with."""
    restrictions: Restrictions | None = None
    """To which endpoints its key, its privacy, and the rules restrict it."""
    plans: list[PlanTrace] = []
    """In the order in which they were made: a cascade makes one for each tier, and failover may extend a plan."""
    budget: BudgetUse | None = None
    """None: no limit concerned the request."""

    @classmethod
    def of(cls, request: Request, settings: object) -> DecisionTrace:
        provider = request.headers.get(PROVIDER_HEADER)
        model = request.model[:MAX_MODEL_CHARS]
        return cls(NumericFacts.of(request), model, request.api, provider, settings)

    def add(self, plan: PlanInputs, decision: Decision, edited: Request | None) -> None:
        """`edited`: the request as `[context]` changed it; None: it is as it arrived. An extension by no endpoint says nothing."""
        if plan.order or plan.how in {"fast", "each"}:
            self.plans.append(PlanTrace(plan, decision, None if edited is None else NumericFacts.of(edited)))
