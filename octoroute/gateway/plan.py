"""The plan of one request: the endpoints to ask, why each other endpoint is excluded, and the error of an empty plan."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

import msgspec

from octoroute.balancing.circuit import IN_COOLDOWN
from octoroute.balancing.eligibility import OVER_COST, fits_window
from octoroute.balancing.health import AT_CAPACITY, AT_MAX_IN_FLIGHT
from octoroute.balancing.policies import Policy
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Facts
from octoroute.domain.trace import PlanInputs
from octoroute.errors import BadRequest, ClientError, ContextTooLong, Exhausted, OctorouteError, OverLimit, Throttled, TooExpensive
from octoroute.gateway.context_window import TruncatedRequest
from octoroute.gateway.truncations import Truncations

PROVIDER_UNAVAILABLE = "provider unavailable (circuit open)"
"""The reason against an endpoint whose own circuit is closed, but whose provider fails as a whole."""
_CIRCUIT_OPEN = "circuit open"
_AT_CAPACITY = "at capacity"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Its collections may be shared with other plans: only the planner changes them, while it makes them."""

    order: list[Endpoint] = []
    """The endpoints to ask, best first."""
    eligible: list[Endpoint] = []
    """The endpoints that can answer the request, available now or not."""
    candidates: list[Endpoint] = []
    """Every endpoint that was considered."""
    excluded: dict[str, str] = {}
    """By endpoint id, why a candidate is not in `order`, and which constraint keeps an endpoint from being a candidate."""
    policy: Policy
    reserve: list[Endpoint] = []
    """Available endpoints that probes take for dead: to be asked when no other endpoint has answered."""
    truncated: dict[str, TruncatedRequest] = {}
    """By endpoint id, the request truncated to fit that endpoint."""
    truncations: Truncations | None = None
    """The forms of the request that were made for it; None: none were."""
    decoded: Conversation | BadRequest | None = None
    """See `TranslationCheck.decoded`."""
    inputs: PlanInputs | None = None
    """None: the planner keeps none, because there is no history."""

    @property
    def conversation(self) -> Conversation | None:
        """The decoded request, to be shared by its attempts; None: each attempt that needs it decodes it."""
        return self.decoded if isinstance(self.decoded, Conversation) else None

    def with_decoded(self, decoded: Conversation | BadRequest | None) -> Plan:
        return self if decoded is None else msgspec.structs.replace(self, decoded=decoded)

    def extensible(self) -> Plan:
        """A plan that considered the same endpoints and has none to ask yet; its collections are its own."""
        return msgspec.structs.replace(
            self,
            order=[],
            reserve=[],
            eligible=[*self.eligible],
            candidates=[*self.candidates],
            excluded={**self.excluded},
            truncated={**self.truncated},
        )


class Availability(Protocol):
    """What a plan needs to know of endpoints; a `HealthRegistry`, except where a decision is repeated from its record."""

    @property
    def unsure(self) -> AbstractSet[str]: ...
    def unavailable_reason(self, endpoint: Endpoint, tokens: int = 0) -> str | None: ...
    def is_suspect(self, endpoint: Endpoint) -> bool: ...
    def needs_trial(self, endpoint: Endpoint) -> bool: ...
    def domain_down(self, endpoint: Endpoint) -> bool: ...
    def next_available_s(self, endpoints: Iterable[Endpoint], tokens: int = 0) -> float | None: ...


def no_endpoint_error(health: Availability, plan: Plan, tokens: int, sized: Facts) -> OctorouteError:
    """Why `plan` has no endpoint to ask: an error of the request, a rate limit, or unavailable endpoints.

    `sized`: the facts whose tokens must fit the context window.
    """
    if not plan.eligible:
        return _ineligible_error(plan, sized)
    reasons = {health.unavailable_reason(endpoint, tokens) for endpoint in plan.eligible}
    if reasons & (AT_CAPACITY - {AT_MAX_IN_FLIGHT}):
        retry_after_s = health.next_available_s(plan.eligible, tokens)
        return OverLimit(f"every suitable provider is at its rate limit; {_retry(retry_after_s)}", retry_after_s=retry_after_s)
    return unavailable_error(health, plan.eligible, tokens, plan.excluded)


def unavailable_error(
    health: Availability, endpoints: Sequence[Endpoint], tokens: int, excluded: Mapping[str, str] | None = None
) -> Exhausted:
    """None of these endpoints can be asked now: 429 if one of them rests, with the time until then; else 503.

    `excluded`: by endpoint id, the reasons of a plan.
    """
    reasons = [health.unavailable_reason(endpoint, tokens) or (excluded or {}).get(endpoint.id) for endpoint in endpoints]
    resting = [endpoint for endpoint, reason in zip(endpoints, reasons, strict=True) if reason == IN_COOLDOWN]
    retry_after_s = health.next_available_s(resting or endpoints, tokens)
    words = {PROVIDER_UNAVAILABLE: _CIRCUIT_OPEN, AT_MAX_IN_FLIGHT: _AT_CAPACITY}
    named = sorted({words.get(reason, reason) for reason in reasons if reason is not None})
    why = f" ({', '.join(named)})" if named else ""
    message = f"no endpoint is available{why}; {_retry(retry_after_s)}"
    if resting:
        return Exhausted(message, status=429, code=Throttled.code, kind=Throttled.kind, retry_after_s=retry_after_s)
    return Exhausted(message, retry_after_s=retry_after_s)


def _retry(after_s: float | None) -> str:
    return "try again later" if after_s is None else f"retry after {max(1, math.ceil(after_s))} s"


def _ineligible_error(plan: Plan, facts: Facts) -> ClientError:
    """Why no candidate can answer the request, as the candidate that comes closest has it."""
    if not plan.candidates:
        return BadRequest("no chat model is configured; add [[models.balanced]]", param="model")
    able = [endpoint for endpoint in plan.candidates if facts.needs <= endpoint.capabilities]
    if not able:
        missing = ", ".join(sorted(facts.needs))
        return BadRequest(f"no configured endpoint that may answer this request has: {missing}", param="messages")
    windows = [endpoint.context_window or 0 for endpoint in able if not fits_window(endpoint, facts)]
    if len(windows) == len(able):
        return ContextTooLong(facts.context_tokens + (facts.output_tokens or 0), max(windows))
    reason = next(plan.excluded[endpoint.id] for endpoint in able if fits_window(endpoint, facts))
    if reason.startswith(OVER_COST):
        return TooExpensive(f"every endpoint that may answer this request {reason}; send less, or set a smaller max_tokens")
    if isinstance(plan.decoded, BadRequest) and plan.decoded.message == reason:
        return plan.decoded
    return BadRequest(f"no configured endpoint can serve this request: {reason}")
