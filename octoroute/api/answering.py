"""The routes that a model answers: one ASGI endpoint for every dialect, streamed or whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from octoroute.api.edge import (
    ClientGone,
    HangUp,
    Keys,
    Receive,
    Scope,
    Send,
    check_json,
    check_method,
    headers_of,
    id_headers,
    new_id,
    read_body,
    request_id,
    send_error,
    send_whole,
)
from octoroute.dialects.base import Inbound
from octoroute.errors import OctorouteError
from octoroute.gateway import Gateway
from octoroute.relay import KEEP_ALIVE_S, Reply

log = structlog.stdlib.get_logger("octoroute.api")

_WHOLE_DEFAULTS = {"content-type": "application/json"}
_STREAM_DEFAULTS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no"}


class Answering:
    def __init__(
        self,
        gateway: Gateway,
        inbound: Inbound,
        *,
        keys: Callable[[], Keys],
        max_bytes: Callable[[], int],
        present: Callable[[Reply], bytes] | None = None,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        """`present` makes the body of a whole answer where the route says more than the dialect does."""
        self._gateway = gateway
        self._inbound = inbound
        self._keys = keys
        self._max_bytes = max_bytes
        self._present = present
        self._keep_alive_s = keep_alive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given_id = ""
        watch: HangUp | None = None
        started = settled = False
        try:
            headers = headers_of(scope)
            given_id = request_id(headers)
            key_name = self._keys().check(headers)
            check_method(scope, "POST")
            check_json(headers)
            body = await read_body(receive, headers, self._max_bytes())
            watch = HangUp(receive)
            request = self._inbound.read(body, request_id=given_id, headers=headers)
            settled = True
            reply = await self._gateway.answer(request, key_name=key_name)
            started = True
            try:
                await self._send(send, reply)
            finally:
                reply.close()
        except OctorouteError as error:
            given_id = given_id or new_id()
            if not settled:
                self._gateway.turned_away(self._inbound.name, given_id, error)
            await send_error(send, error, self._inbound, given_id)
        except ClientGone:
            pass
        except asyncio.CancelledError:
            if watch is None or not watch.gone:
                raise
            _forgive()
        except Exception:
            log.exception("request failed", request_id=given_id)
            if not started:
                error = OctorouteError("the gateway failed; its log has the details under this request id")
                await send_error(send, error, self._inbound, given_id or new_id())
        finally:
            if watch is not None:
                watch.stop()

    async def _send(self, send: Send, reply: Reply) -> None:
        if not reply.stream:
            body = self._present(reply) if self._present else reply.body or b""
            await send_whole(send, 200, body, _headers(reply, _WHOLE_DEFAULTS))
            reply.delivered()
            return
        await send({"type": "http.response.start", "status": 200, "headers": _headers(reply, _STREAM_DEFAULTS)})
        async for piece in reply.pieces(self._keep_alive_s):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _headers(reply: Reply, defaults: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    headers = {**defaults, **reply.headers, **id_headers(reply.request.dialect, reply.request.id, reply.headers)}
    if reply.stream or reply.translated:
        headers["content-type"] = defaults["content-type"]
    return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]


def _forgive() -> None:
    """The cancellation was our own watcher's, and has done its work."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
