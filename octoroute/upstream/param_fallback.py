"""An endpoint that refuses a field is asked again at once without it, and asked right from then on.

Only what can be missed goes, and only where it is ours to decide: in requests that we worded, and for servers that speak a
vendor's dialect without being that vendor. A client's own request to the server it was written for is judged by that server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import msgspec
import structlog

from octoroute.dialects.response import unsupported_params
from octoroute.dialects.response.errors import UpstreamErrorBody, read_error_body
from octoroute.dialects.response.unsupported_params import ParameterFix
from octoroute.domain.endpoint import Endpoint
from octoroute.errors import UpstreamRejected
from octoroute.upstream.client import UpstreamRequest
from octoroute.upstream.response import UpstreamResponse

REMEMBER_S = 3600.0
MAX_FIXES = 16
"""For one endpoint."""
MAX_ENDPOINTS = 1024
TRIES = 3
"""A server names one field at a time."""
ANTHROPIC = "api.anthropic.com"

log = structlog.stdlib.get_logger("octoroute.upstream")


class ResponseOpener(Protocol):
    async def open(self, endpoint: Endpoint, question: UpstreamRequest) -> UpstreamResponse: ...


class _Scope(NamedTuple):
    """Requests that the same complaints apply to."""

    endpoint_id: str
    base_url: str
    model: str
    kind: str


class FallbackRule(NamedTuple):
    """Whose complaints count, and what they mean."""

    kind: str
    read: Callable[[UpstreamErrorBody], ParameterFix | None]


class ParameterFallback:
    def __init__(self, upstream: ResponseOpener, clock: Callable[[], float]) -> None:
        self._upstream = upstream
        self._clock = clock
        self._learned: dict[_Scope, dict[ParameterFix, float]] = {}

    async def open(
        self, endpoint: Endpoint, question: UpstreamRequest, obeyed: FallbackRule
    ) -> tuple[UpstreamResponse, UpstreamRequest]:
        """As `Upstream.open`, and the question as it was accepted. Raises UpstreamError."""
        kind, read = obeyed
        scope = _Scope(endpoint.id, endpoint.base_url, endpoint.model, kind)
        if scope in self._learned:
            for remedy in self._known(scope):
                question = _apply(question, remedy) or question
        tried: list[ParameterFix] = []
        while True:
            try:
                opened = await self._upstream.open(endpoint, question)
            except UpstreamRejected as error:
                remedy = _fix_for(error, read) if len(tried) < TRIES else None
                better = _apply(question, remedy) if remedy is not None and remedy not in tried else None
                if better is None or remedy is None:
                    raise
                log.info("endpoint refuses a field", endpoint=endpoint.id, provider=endpoint.provider, field=remedy.name)
                tried.append(remedy)
                question = better
            else:
                self._learn(scope, tried)
                return opened, question

    def _known(self, scope: _Scope) -> list[ParameterFix]:
        """Forgotten after a while: servers are updated."""
        now = self._clock()
        remedies = {remedy: until for remedy, until in self._learned[scope].items() if until > now}
        if remedies:
            self._learned[scope] = remedies
        else:
            del self._learned[scope]
        return list(remedies)

    def _learn(self, scope: _Scope, remedies: list[ParameterFix]) -> None:
        """What was answered in the end."""
        if not remedies:
            return
        learned = self._learned.pop(scope, {})
        learned |= dict.fromkeys(remedies, self._clock() + REMEMBER_S)
        self._learned[scope] = dict(list(learned.items())[-MAX_FIXES:])
        while len(self._learned) > MAX_ENDPOINTS:
            del self._learned[next(iter(self._learned))]


def fallback_rule(endpoint: Endpoint, question: UpstreamRequest) -> FallbackRule | None:
    """Who may be obeyed in what; None: this server's judgement is the client's to hear."""
    if question.api != "chat":
        return None
    if question.conversation is not None:
        return FallbackRule("ours", unsupported_params.fix_for_encoded_request)
    if endpoint.kind == "anthropic" and urlsplit(endpoint.base_url).hostname != ANTHROPIC:
        return FallbackRule("clients", unsupported_params.fix_for_client_request)
    if endpoint.kind == "azure" and question.stream:
        return FallbackRule("clients", unsupported_params.fix_for_stream_options)
    return None


def _fix_for(error: UpstreamRejected, read: Callable[[UpstreamErrorBody], ParameterFix | None]) -> ParameterFix | None:
    told = read_error_body(error.body) if error.status in {400, 422} else None
    return read(told) if told is not None else None


def _apply(question: UpstreamRequest, remedy: ParameterFix) -> UpstreamRequest | None:
    """None: there is nothing of the kind in it."""
    note = f"{remedy.name}: left out, this endpoint does not take it"
    ours = remedy.action in {"rename", "blank"} or (question.conversation is not None and remedy.path == ("stream_options",))
    notes = question.notes if ours else (*question.notes, note)
    if remedy.action == "beta":
        headers = unsupported_params.drop_beta(question.client_headers, remedy)
        return None if headers is None else msgspec.structs.replace(question, client_headers=headers, notes=notes)
    body = unsupported_params.apply_fix(question.body, remedy)
    return None if body is None else msgspec.structs.replace(question, body=body, notes=notes)
