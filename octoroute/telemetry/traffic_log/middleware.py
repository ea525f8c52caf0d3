"""ASGI middleware that records what a route receives and sends, and how the request ended, for the traffic log.

The request goes on whatever happens to the log. A route is only wrapped while the traffic log is on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias

from octoroute.domain.outcome import Outcome
from octoroute.domain.request import Request
from octoroute.telemetry.traffic_log.record import TrafficRecord

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Route: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]


class RecordSink(Protocol):
    @property
    def max_body_bytes(self) -> int: ...

    def offer(self, record: TrafficRecord) -> None: ...


class TrafficMiddleware:
    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._current: ContextVar[TrafficRecord | None] = ContextVar("traffic record", default=None)
        """The record of the request in whose task it is read."""
        self._log: RecordSink | None = None

    def record_to(self, log: RecordSink | None) -> None:
        """Requests that finish from now on go to `log`; None: nowhere. May be called while requests are in progress."""
        self._log = log

    def on_outcome(self, outcome: Outcome, request: Request | None) -> None:  # noqa: ARG002 - an OutcomeCallback
        """Adds the outcome to the record of the request in whose task it is called."""
        record = self._current.get()
        if record is not None:
            record.outcome = outcome

    def around(self, route: Route) -> Route:
        async def record_and_route(scope: Message, receive: Receive, send: Send) -> None:
            log = self._log
            if log is None:
                await route(scope, receive, send)
                return
            record = TrafficRecord(scope["method"], scope["path"], scope["headers"], log.max_body_bytes, self._wall())

            async def record_receive() -> Message:
                message = await receive()
                if message["type"] == "http.request":
                    record.request_body.add(message.get("body", b""))
                return message

            async def record_send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    record.status = message["status"]
                    record.request_id = next((v.decode() for name, v in message["headers"] if name == b"x-request-id"), "")
                else:
                    record.response_body.add(message.get("body", b""))
                await send(message)

            token = self._current.set(record)
            try:
                await route(scope, record_receive, record_send)
            finally:
                self._current.reset(token)
                if self._log is not None:
                    self._log.offer(record)

        return record_and_route
