"""Keeps what clients send and get with each request's entry in the history, if the operator wants it.

Only the beginnings of both bodies are held, and a request goes on whatever happens to them. A route is only wrapped while bodies
are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeAlias

import msgspec

from octoroute.store.base import Body, EntrySink, EntrySource, HistoryEntry
from octoroute.telemetry.traffic_log.middleware import Receive, Route, Send
from octoroute.telemetry.traffic_log.record import BoundedBody
from octoroute.telemetry.traffic_log.redaction import Redaction

Message: TypeAlias = MutableMapping[str, Any]
Decompress: TypeAlias = Callable[[bytes, str, int], bytes]
"""From the beginning of a body, its `content-encoding`, and a limit of bytes to the beginning of the body without its coding."""

MAX_PENDING_BYTES = 128 * 1024 * 1024
"""Of all bodies in memory that are not written yet; a body beyond that is not kept."""


class BodySettings(msgspec.Struct, frozen=True, kw_only=True):
    max_bytes: int
    """Of each body."""
    excluded_keys: frozenset[str] = frozenset()
    """Names of keys of whose requests no body is kept."""


class _Exchange:
    """The bodies of one request."""

    __slots__ = ("coding", "entry", "held", "is_over", "request", "response")

    def __init__(self, coding: str, max_bytes: int) -> None:
        self.coding = coding
        self.request = BoundedBody(max_bytes)
        self.response = BoundedBody(max_bytes)
        self.entry: EntrySource | None = None
        """What the history has of the request; None: it has no outcome yet."""
        self.held = 0
        self.is_over = False


class BodyCapture:
    """An `EntrySink`: passes the entry of a request on when its response has ended, with the bodies."""

    def __init__(self, history: EntrySink, *, dropped: Callable[[], None]) -> None:
        """`dropped` is called for each body that is not kept because too many wait."""
        self._append = history.append
        self._dropped = dropped
        self._current: ContextVar[_Exchange | None] = ContextVar("exchange", default=None)
        self._settings: BodySettings | None = None
        self._redaction = Redaction()
        self._decompress: Decompress = lambda data, coding, limit: b""  # noqa: ARG005
        self._bytes_in = 0  # changed on the event loop only
        self._bytes_out = 0  # changed by the history's thread only, so that neither needs a lock

    @property
    def is_on(self) -> bool:
        return self._settings is not None

    def use(self, settings: BodySettings | None, redaction: Redaction, decompress: Decompress) -> None:
        """From the next request on; `settings` None: no bodies are kept."""
        self._settings, self._redaction, self._decompress = settings, redaction, decompress

    def around(self, routes: Mapping[str, Route]) -> Mapping[str, Route]:
        """The routes themselves while no bodies are kept, else wrapped ones."""
        return {path: self._around(route) for path, route in routes.items()} if self.is_on else routes

    def append(self, source: EntrySource, *arguments: object) -> None:
        """Called in the task of the request, with its outcome; of a request that no wrapped route has, the entry is passed on."""
        exchange = self._current.get()
        if exchange is None or exchange.is_over or exchange.entry is not None:
            self._append(source, *arguments)
        else:
            exchange.entry = partial(source, *arguments)

    def _around(self, route: Route) -> Route:
        async def keep_and_route(scope: Message, receive: Receive, send: Send) -> None:
            settings = self._settings
            if settings is None:
                await route(scope, receive, send)
                return
            exchange = _Exchange(_coding(scope["headers"]), settings.max_bytes)

            async def keep_received() -> Message:
                message = await receive()
                if message["type"] == "http.request":
                    self._add(exchange, exchange.request, message.get("body", b""))
                return message

            async def keep_sent(message: Message) -> None:
                if message["type"] == "http.response.body":
                    self._add(exchange, exchange.response, message.get("body", b""))
                await send(message)

            token = self._current.set(exchange)
            try:
                await route(scope, keep_received, keep_sent)
            finally:
                self._current.reset(token)
                exchange.is_over = True
                self._end(exchange, settings)

        return keep_and_route

    def _add(self, exchange: _Exchange, body: BoundedBody, chunk: bytes) -> None:
        is_whole = body.size == body.held
        if not is_whole or self._bytes_in - self._bytes_out >= MAX_PENDING_BYTES:
            body.size += len(chunk)  # once something is left out, the rest is too: what is kept has no gap
            if is_whole and chunk:
                self._dropped()
            return
        before = body.held
        body.add(chunk)
        exchange.held += body.held - before
        self._bytes_in += body.held - before

    def _end(self, exchange: _Exchange, settings: BodySettings) -> None:
        if exchange.entry is None:  # nothing of it is in the history
            self._bytes_in -= exchange.held
            return
        made, redaction = exchange.entry, self._redaction

        def entry() -> HistoryEntry:
            self._bytes_out += exchange.held
            without = made()
            if without.row.labels.key in settings.excluded_keys:
                return without
            return msgspec.structs.replace(without, body=self._body(exchange, settings.max_bytes, redaction))

        self._append(entry)

    def _body(self, exchange: _Exchange, limit: int, redaction: Redaction) -> Body:
        given, request_size = exchange.request.bytes(), exchange.request.size
        if exchange.coding:
            given = self._decompress(given, exchange.coding, limit)
        request, is_request_cut = _masked(given, limit, redaction)
        response, is_response_cut = _masked(exchange.response.bytes(), limit, redaction)
        is_request_cut = is_request_cut or request_size > exchange.request.held
        is_response_cut = is_response_cut or exchange.response.size > exchange.response.held
        return Body(
            request=request,
            response=response,
            request_size=request_size if is_request_cut else None,
            response_size=exchange.response.size if is_response_cut else None,
        )


def _masked(data: bytes, limit: int, redaction: Redaction) -> tuple[bytes, bool]:
    """At most `limit` bytes of the body without secrets, and whether there are more. Bytes that are no UTF-8 stay as they are."""
    text = redaction.text(data.decode(errors="surrogateescape"))
    return text.encode(errors="surrogateescape")[:limit], len(data) > limit


def _coding(headers: list[tuple[bytes, bytes]]) -> str:
    """The body's content coding; "": none."""
    value = next((value for name, value in headers if name == b"content-encoding"), b"").decode("latin-1")
    return "" if value.strip().lower() == "identity" else value
