"""The truncated forms of one request, one for each context window. Pure, so they can be made in a thread."""

from __future__ import annotations

from collections.abc import Iterable

from octoroute.balancing.eligibility import ineligible_reason
from octoroute.dialects.base import Inbound
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Request
from octoroute.gateway.context_window import ContextPolicy, TruncatedRequest, truncate
from octoroute.upstream.client import UpstreamClient


class Truncations:
    """Each form is made once, when it is first needed. The request is read again for it, which takes long if it is large."""

    def __init__(self, request: Request, inbound: Inbound, upstream: UpstreamClient, context: ContextPolicy) -> None:
        self._request = request
        self._inbound = inbound
        self._upstream = upstream
        self._context = context
        self._made: dict[tuple[int | None, bool], TruncatedRequest | None] = {}
        """By window, and whether the endpoint verifies thinking."""

    def form_for(self, endpoint: Endpoint) -> TruncatedRequest | None:
        """None: the part that must stay does not fit."""
        signed = self._upstream.outbound(endpoint, self._request).verifies_thinking
        shape = (endpoint.context_window, signed)
        if shape not in self._made:
            self._made[shape] = truncate(self._request, endpoint, self._inbound, self._context, signed=signed)
        return self._made[shape]

    def make(self, endpoints: Iterable[Endpoint]) -> None:
        """Make the forms for all of them, unless one can take the request as it is."""
        found = list(endpoints)
        facts = self._context.measured(self._request.facts)
        if all(ineligible_reason(endpoint, self._request.facts, sized=facts) is not None for endpoint in found):
            for endpoint in found:
                self.form_for(endpoint)
