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
from octoroute.dialects.response.errors import Told, read_told
from octoroute.dialects.response.unsupported_params import Remedy
from octoroute.domain.endpoint import Endpoint
from octoroute.errors import Declined
from octoroute.upstream.client import Question
from octoroute.upstream.response import Opened

REMEMBER_S = 3600.0
MAX_REMEDIES = 16
"""For one endpoint."""
MAX_ENDPOINTS = 1024
TRIES = 3
"""A server names one field at a time."""
ANTHROPIC = "api.anthropic.com"

log = structlog.stdlib.get_logger("octoroute.upstream")


class Opens(Protocol):
    async def open(self, endpoint: Endpoint, question: Question) -> Opened: ...


class _Scope(NamedTuple):
    """Requests that the same complaints apply to."""

    endpoint_id: str
    base_url: str
    model: str
    kind: str


class Obeyed(NamedTuple):
    """Whose complaints count, and what they mean."""

    kind: str
    read: Callable[[Told], Remedy | None]


class Mending:
    def __init__(self, upstream: Opens, clock: Callable[[], float]) -> None:
        self._upstream = upstream
        self._clock = clock
        self._learned: dict[_Scope, dict[Remedy, float]] = {}

    async def open(self, endpoint: Endpoint, question: Question, obeyed: Obeyed) -> tuple[Opened, Question]:
        """As `Upstream.open`, and the question as it was accepted. Raises UpstreamError."""
        kind, read = obeyed
        scope = _Scope(endpoint.id, endpoint.base_url, endpoint.model, kind)
        if scope in self._learned:
            for remedy in self._known(scope):
                question = _mended(question, remedy) or question
        tried: list[Remedy] = []
        while True:
            try:
                opened = await self._upstream.open(endpoint, question)
            except Declined as error:
                remedy = _remedy(error, read) if len(tried) < TRIES else None
                better = _mended(question, remedy) if remedy is not None and remedy not in tried else None
                if better is None or remedy is None:
                    raise
                log.info("endpoint refuses a field", endpoint=endpoint.id, provider=endpoint.provider, field=remedy.name)
                tried.append(remedy)
                question = better
            else:
                self._learn(scope, tried)
                return opened, question

    def _known(self, scope: _Scope) -> list[Remedy]:
        """Forgotten after a while: servers are updated."""
        now = self._clock()
        remedies = {remedy: until for remedy, until in self._learned[scope].items() if until > now}
        if remedies:
            self._learned[scope] = remedies
        else:
            del self._learned[scope]
        return list(remedies)

    def _learn(self, scope: _Scope, remedies: list[Remedy]) -> None:
        """What was answered in the end."""
        if not remedies:
            return
        learned = self._learned.pop(scope, {})
        learned |= dict.fromkeys(remedies, self._clock() + REMEMBER_S)
        self._learned[scope] = dict(list(learned.items())[-MAX_REMEDIES:])
        while len(self._learned) > MAX_ENDPOINTS:
            del self._learned[next(iter(self._learned))]


def obeyed(endpoint: Endpoint, question: Question) -> Obeyed | None:
    """Who may be obeyed in what; None: this server's judgement is the client's to hear."""
    if question.api != "chat":
        return None
    if question.conversation is not None:
        return Obeyed("ours", unsupported_params.about_ours)
    if endpoint.kind == "anthropic" and urlsplit(endpoint.base_url).hostname != ANTHROPIC:
        return Obeyed("clients", unsupported_params.about_clients)
    if endpoint.kind == "azure" and question.stream:
        return Obeyed("clients", unsupported_params.about_stream_options)
    return None


def _remedy(error: Declined, read: Callable[[Told], Remedy | None]) -> Remedy | None:
    told = read_told(error.body) if error.status in {400, 422} else None
    return read(told) if told is not None else None


def _mended(question: Question, remedy: Remedy) -> Question | None:
    """None: there is nothing of the kind in it."""
    note = f"{remedy.name}: left out, this endpoint does not take it"
    ours = remedy.action in {"rename", "blank"} or (question.conversation is not None and remedy.path == ("stream_options",))
    notes = question.notes if ours else (*question.notes, note)
    if remedy.action == "beta":
        headers = unsupported_params.without_beta(question.client_headers, remedy)
        return None if headers is None else msgspec.structs.replace(question, client_headers=headers, notes=notes)
    body = unsupported_params.mended(question.body, remedy)
    return None if body is None else msgspec.structs.replace(question, body=body, notes=notes)
