"""Listens at a route: what comes in, what goes out, how it ended. A route is only wrapped when there is a log to write to.

ASGI; whatever happens to the log, the request goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias

from octoroute.domain.outcome import Outcome
from octoroute.domain.request import Request
from octoroute.telemetry.access_log import ROUTING
from octoroute.telemetry.traffic_log.record import TrafficRecord

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Route: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]


class RecordSink(Protocol):
    max_body_bytes: int

    def offer(self, recording: TrafficRecord) -> None: ...


class TrafficMiddleware:
    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._current: ContextVar[TrafficRecord | None] = ContextVar("recording", default=None)
        self._log: RecordSink | None = None

    def record_to(self, log: RecordSink | None) -> None:
        """Requests that finish from now on go to `log`; None: nowhere. May be called while requests are in progress."""
        self._log = log

    def on_outcome(self, outcome: Outcome, request: Request | None) -> None:  # noqa: ARG002 - an OutcomeCallback
        """Adds the outcome to the record of the request in whose task it is called."""
        recording = self._current.get()
        if recording is not None and outcome.dialect != ROUTING:
            recording.outcome = outcome

    def around(self, route: Route) -> Route:
        async def tapped(scope: Message, receive: Receive, send: Send) -> None:
            log = self._log
            if log is None:
                await route(scope, receive, send)
                return
            recording = TrafficRecord(scope["method"], scope["path"], scope["headers"], log.max_body_bytes, self._wall())

            async def heard() -> Message:
                message = await receive()
                if message["type"] == "http.request":
                    recording.question.add(message.get("body", b""))
                return message

            async def said(message: Message) -> None:
                if message["type"] == "http.response.start":
                    recording.status = message["status"]
                    recording.request_id = next((v.decode() for name, v in message["headers"] if name == b"x-request-id"), "")
                else:
                    recording.answer.add(message.get("body", b""))
                await send(message)

            token = self._current.set(recording)
            try:
                await route(scope, heard, said)
            finally:
                self._current.reset(token)
                if self._log is not None:
                    self._log.offer(recording)

        return tapped
