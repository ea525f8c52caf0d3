"""The plan of one request: the endpoints to ask, best first, and why each other endpoint is excluded."""

from __future__ import annotations

import msgspec

from octoroute.balancing.policies import Policy
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.errors import BadRequest
from octoroute.gateway.context_window import TruncatedRequest


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Its collections may be shared with other plans: only the planner changes them, while it makes them."""

    order: list[Endpoint] = []
    """The endpoints to ask, best first."""
    eligible: list[Endpoint] = []
    """The endpoints that can answer the request, available now or not."""
    candidates: list[Endpoint] = []
    """Every endpoint that was considered."""
    excluded: dict[str, str] = {}
    """By endpoint id, why a candidate is not in `order`."""
    policy: Policy
    reserve: list[Endpoint] = []
    """Available endpoints that probes take for dead: to be asked when no other endpoint has answered."""
    truncated: dict[str, TruncatedRequest] = {}
    """By endpoint id, the request truncated to fit that endpoint."""
    decoded: Conversation | BadRequest | None = None
    """See `TranslationCheck.decoded`."""

    @property
    def conversation(self) -> Conversation | None:
        """The decoded request, to be shared by its attempts; None: each attempt that needs it decodes it."""
        return self.decoded if isinstance(self.decoded, Conversation) else None

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
