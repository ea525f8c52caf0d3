"""The routes that a model answers: one ASGI endpoint for every dialect, streamed or whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from octoroute.dialects.base import Inbound
from octoroute.errors import OctorouteError
from octoroute.gateway.gateway import Gateway
from octoroute.gateway.relay import KEEP_ALIVE_S, Reply
from octoroute.server.downstream import ClientGone, Downstream, Receive, Scope, Send, downstream_of
from octoroute.server.guard import (
    ApiKeys,
    check_json,
    check_method,
    check_size,
    headers_of,
    id_headers,
    new_id,
    read_body,
    request_id,
    send_error,
)

log = structlog.stdlib.get_logger("octoroute.api")

_WHOLE_DEFAULTS = {"content-type": "application/json"}
_STREAM_DEFAULTS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no"}


class AdmissionRules(Protocol):
    """Who may come in, and with how much; looked at for every request, because it may change."""

    keys: ApiKeys
    max_request_bytes: int


class InferenceEndpoint:
    def __init__(
        self,
        gateway: Gateway,
        inbound: Inbound,
        *,
        admission: AdmissionRules,
        present: Callable[[Reply], bytes] | None = None,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        """`present` makes the body of a whole answer where the route says more than the dialect does."""
        self._gateway = gateway
        self._inbound = inbound
        self._admission = admission
        self._present = present
        self._keep_alive_s = keep_alive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given_id = ""
        started = settled = False
        client = downstream_of(scope, receive, send)
        try:
            headers = headers_of(scope)
            given_id = request_id(headers)
            key_name = self._admission.keys.check(headers)
            check_method(scope, "POST")
            check_json(headers)
            most = self._admission.max_request_bytes
            body = client.body()
            if body is None:
                body = await read_body(receive, headers, most)
            else:
                check_size(len(body), most)
            client.watch_disconnect()
            request = self._inbound.read(body, request_id=given_id, headers=headers, key_name=key_name)
            settled = True
            reply = await self._gateway.answer(request)
            started = True
            try:
                if reply.stream:
                    await self._stream(client, reply)
                else:
                    if client.answer(self._headers(reply), self._present(reply) if self._present else reply.body or b""):
                        await client.drain()
                    reply.delivered()
            finally:
                reply.close()
        except OctorouteError as error:
            given_id = given_id or new_id()
            if not settled:
                self._gateway.rejected(self._inbound.name, given_id, error)
            await send_error(send, error, self._inbound, given_id)
        except ClientGone:
            pass
        except asyncio.CancelledError:
            if not client.gone:
                raise
            _forgive()
        except Exception:
            log.exception("request failed", request_id=given_id)
            if not started:
                error = OctorouteError("the gateway failed; its log has the details under this request id")
                await send_error(send, error, self._inbound, given_id or new_id())
        finally:
            client.unwatch_disconnect()

    async def _stream(self, client: Downstream, reply: Reply) -> None:
        client.begin(self._headers(reply))
        async for piece in reply.pieces(self._keep_alive_s, client.write):
            if client.write(piece):
                await client.drain()
        if client.end():
            await client.drain()

    def _headers(self, reply: Reply) -> dict[str, str]:
        defaults = _STREAM_DEFAULTS if reply.stream else _WHOLE_DEFAULTS
        headers = {**defaults, **reply.headers}
        if reply.stream or reply.translated:
            headers["content-type"] = defaults["content-type"]
        headers |= id_headers(self._inbound.id_header, reply.request.id, headers)
        return headers


def _forgive() -> None:
    """The cancellation was our own watcher's, and has done its work."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
