"""The inference routes: one plain ASGI callable for each interface, streaming or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec
import structlog

from octoroute.dialects.base import Inbound
from octoroute.dialects.chat import ChatInbound
from octoroute.errors import OctorouteError
from octoroute.gateway.gateway import Gateway
from octoroute.gateway.relay import KEEP_ALIVE_S, Reply
from octoroute.runtime.assembly import Runtime
from octoroute.server.decompression import decode_body
from octoroute.server.downstream import ClientGone, Downstream, Receive, Scope, Send, downstream_of
from octoroute.server.guard import (
    AccessRules,
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


def inference_routes(runtime: Runtime, rules: AccessRules, keep_alive_s: float) -> Mapping[str, InferenceEndpoint]:
    """Return the routes by path. `keep_alive_s`: the longest silence in a stream before a keep-alive is sent."""
    return {
        path: InferenceEndpoint(
            runtime.gateway,
            inbound,
            rules=rules,
            present=simple_reply if inbound.name == ChatInbound.name else None,
            keep_alive_s=keep_alive_s,
        )
        for inbound in runtime.interfaces.values()
        for path in inbound.paths
    }


class InferenceEndpoint:
    """Answers the requests of one route. Every request is settled and its reply closed, however it ends."""

    def __init__(
        self,
        gateway: Gateway,
        inbound: Inbound,
        *,
        rules: AccessRules,
        present: Callable[[Reply], bytes] | None = None,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        """`rules` are read for every request, because a reload may change them. `present` makes the body of a non-streaming
        response; None: the body of the reply.
        """
        self._gateway = gateway
        self._inbound = inbound
        self._rules = rules
        self._present = present
        self._keep_alive_s = keep_alive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given_id = ""
        started = settled = False
        client = downstream_of(scope, receive, send)
        try:
            headers = headers_of(scope)
            given_id = request_id(headers)
            key_name = self._rules.keys.check(headers)
            check_method(scope, "POST")
            check_json(headers)
            limit = self._rules.max_request_bytes
            body = client.body()
            if body is None:
                body = await read_body(receive, headers, limit)
            else:
                check_size(len(body), limit)
                if "content-encoding" in headers:
                    body = await decode_body(body, headers, limit)
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
            _uncancel()
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


def simple_reply(reply: Reply) -> bytes:
    """Return the response body of `POST /chat`, as version 1 defined it."""
    assert reply.decision is not None
    return msgspec.json.encode(
        {
            "content": (reply.body or b"").decode(),
            "model_tier": reply.endpoint.tier,
            "model_name": reply.endpoint.name,
            "routing_strategy": reply.decision.by,
            **({"warnings": list(reply.warnings)} if reply.warnings else {}),
        }
    )


def _uncancel() -> None:
    """Take back the cancellation with which `watch_disconnect` ended this request; the task itself ends normally."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
