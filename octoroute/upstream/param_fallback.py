"""An endpoint that refuses a parameter gets the request again without it, and later requests without it from the start.

Only optional parameters are dropped, and only where the choice is the gateway's: in requests that it encoded, and for servers that
speak a vendor's dialect without being that vendor's. The vendor's own verdict on a client's own request reaches the client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec
import structlog

from octoroute.dialects.response import unsupported_params
from octoroute.dialects.response.errors import read_error_body
from octoroute.dialects.response.unsupported_params import ParameterFix
from octoroute.domain.endpoint import Endpoint
from octoroute.errors import UpstreamRejected
from octoroute.upstream.providers.base import FixReader
from octoroute.upstream.request import UpstreamRequest
from octoroute.upstream.response import UpstreamResponse

REMEMBER_S = 3600.0
"""Servers are updated."""
MAX_FIXES = 16
"""Remembered for one endpoint."""
MAX_ENDPOINTS = 1024
MAX_FIXES_PER_REQUEST = 3
"""A server names one parameter at a time."""

log = structlog.stdlib.get_logger("octoroute.upstream")


class ResponseOpener(Protocol):
    """The part of `UpstreamClient` that is used here."""

    async def open(self, endpoint: Endpoint, request: UpstreamRequest) -> UpstreamResponse: ...

    def may_drop_params(self, endpoint: Endpoint, *, stream: bool) -> FixReader | None: ...


class _Scope(NamedTuple):
    """Requests that the same fixes apply to."""

    endpoint_id: str
    base_url: str
    model: str
    origin: str


class FallbackRule(NamedTuple):
    """Which refusals are acted upon."""

    origin: str
    """Of the request's body: "ours" or "clients"."""
    read: FixReader


class ParameterFallback:
    def __init__(self, upstream: ResponseOpener, clock: Callable[[], float]) -> None:
        """`clock`: seconds, monotonic."""
        self._upstream = upstream
        self._clock = clock
        self._fixes: dict[_Scope, dict[ParameterFix, float]] = {}
        """What worked, and until when it is remembered."""

    def rule(self, endpoint: Endpoint, request: UpstreamRequest) -> FallbackRule | None:
        """None: nothing may be dropped from this request. Raises UpstreamError for a plug-in that fails."""
        if request.api != "chat":
            return None
        if request.conversation is not None:
            return FallbackRule("ours", unsupported_params.fix_for_encoded_request)
        read = self._upstream.may_drop_params(endpoint, stream=request.stream)
        return None if read is None else FallbackRule("clients", read)

    async def open(
        self, endpoint: Endpoint, request: UpstreamRequest, rule: FallbackRule
    ) -> tuple[UpstreamResponse, UpstreamRequest]:
        """As `UpstreamClient.open`; also returns the request as the endpoint accepted it. Raises UpstreamError."""
        scope = _Scope(endpoint.id, endpoint.base_url, endpoint.model, rule.origin)
        if scope in self._fixes:
            for fix in self._remembered(scope):
                request = _apply(request, fix) or request
        applied: list[ParameterFix] = []
        while True:
            try:
                response = await self._upstream.open(endpoint, request)
            except UpstreamRejected as error:
                fix = _fix_for(error, rule.read) if len(applied) < MAX_FIXES_PER_REQUEST else None
                fixed = _apply(request, fix) if fix is not None and fix not in applied else None
                if fixed is None or fix is None:
                    raise
                log.info("endpoint refuses a field", endpoint=endpoint.id, provider=endpoint.provider, field=fix.name)
                applied.append(fix)
                request = fixed
            else:
                self._remember(scope, applied)
                return response, request

    def _remembered(self, scope: _Scope) -> list[ParameterFix]:
        now = self._clock()
        fixes = {fix: until for fix, until in self._fixes[scope].items() if until > now}
        if fixes:
            self._fixes[scope] = fixes
        else:
            del self._fixes[scope]
        return list(fixes)

    def _remember(self, scope: _Scope, fixes: list[ParameterFix]) -> None:
        """Only fixes that led to a response, each for REMEMBER_S."""
        if not fixes:
            return
        remembered = self._fixes.pop(scope, {})
        remembered |= dict.fromkeys(fixes, self._clock() + REMEMBER_S)
        self._fixes[scope] = dict(list(remembered.items())[-MAX_FIXES:])
        while len(self._fixes) > MAX_ENDPOINTS:
            del self._fixes[next(iter(self._fixes))]


def _fix_for(error: UpstreamRejected, read: FixReader) -> ParameterFix | None:
    body = read_error_body(error.body) if error.status in {400, 422} else None
    return read(body) if body is not None else None


def _apply(request: UpstreamRequest, fix: ParameterFix) -> UpstreamRequest | None:
    """None: the request does not hold the parameter."""
    note = f"{fix.name}: left out, this endpoint does not take it"
    if fix.action == "limit":
        note = f"{fix.name}: reduced to {fix.to}, the endpoint's limit"
    is_ours = fix.action in {"rename", "blank"} or (request.conversation is not None and fix.path == ("stream_options",))
    notes = request.notes if is_ours else (*request.notes, note)
    if fix.action == "beta":
        headers = unsupported_params.drop_beta(request.client_headers, fix)
        return None if headers is None else msgspec.structs.replace(request, client_headers=headers, notes=notes)
    body = unsupported_params.apply_fix(request.body, fix)
    return None if body is None else msgspec.structs.replace(request, body=body, notes=notes)
