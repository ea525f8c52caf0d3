"""The requests under way: GET /admin/live as JSON or as a stream of events, and their cancellation."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from octoroute.errors import BadRequest, NotStored
from octoroute.gateway.live_view import LiveView, live_view
from octoroute.runtime.assembly import Runtime
from octoroute.server.guard import request_id
from octoroute.server.http1.listener import ListenerState
from octoroute.server.routes.json_response import json_response

TICK_S = 0.2
"""How often a watcher is told what has changed."""
KEEP_ALIVE_TICKS = 75
DEFAULT_ROWS = 100
MAX_ROWS = 1000
_EVENT_STREAM = "text/event-stream"


class LiveRoutes:
    def __init__(self, runtime: Runtime, listener: ListenerState) -> None:
        self._runtime = runtime
        self._listener = listener

    def routes(self) -> list[Route]:
        return [
            Route("/admin/live", self.live, methods=["GET"]),
            Route("/admin/live/{id}/cancel", self.cancel, methods=["POST"]),
        ]

    async def live(self, request: Request) -> Response:
        """Events to a client that accepts them, as browsers' EventSource does; to any other one view as JSON."""
        limit = _limit(request)
        if _EVENT_STREAM not in request.headers.get("accept", ""):
            return json_response(self._enveloped(self._view(self._epoch_s(), limit)), request)
        headers = {"x-request-id": request_id(request.headers), "cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._events(limit), headers=headers, media_type=_EVENT_STREAM)

    async def cancel(self, request: Request) -> Response:
        asked = request.path_params["id"]
        cancelled = self._runtime.gateway.live.cancel(asked)
        if not cancelled:
            raise NotStored(f"no request under way has the id {asked[:200]!r}; GET /admin/live lists them", param="id")
        return json_response({"id": asked, "cancelled": cancelled}, request)

    async def _events(self, limit: int) -> AsyncIterator[bytes]:
        """Until the client leaves, which cancels it, or the process stops. A view that has not changed is not sent again."""
        sent: LiveView | None = None
        silent, epoch_s = 0, self._epoch_s()
        while not self._listener.stopping:
            view = self._view(epoch_s, limit)
            silent += 1
            if view != sent:
                yield b"event: live\ndata: " + msgspec.json.encode(self._enveloped(view)) + b"\n\n"
                sent, silent = view, 0
            elif silent >= KEEP_ALIVE_TICKS:
                yield b": nothing has changed\n\n"
                silent = 0
            await asyncio.sleep(TICK_S)

    def _epoch_s(self) -> float:
        return self._runtime.wall() - self._runtime.gateway.clock()

    def _view(self, epoch_s: float, limit: int) -> LiveView:
        return live_view(self._runtime.gateway, epoch_s, limit)

    def _enveloped(self, view: LiveView) -> dict[str, Any]:
        """With the moment, and which of how many worker processes this is: each knows its own requests only."""
        about = {"at": self._runtime.wall(), "worker": os.getpid(), "workers": self._runtime.config.server.workers}
        return {**about, **msgspec.structs.asdict(view)}


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(DEFAULT_ROWS))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_ROWS):
        raise BadRequest(f"limit must be a number from 1 to {MAX_ROWS}", param="limit")
    return int(text)
