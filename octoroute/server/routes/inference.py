"""The inference routes: one plain ASGI callable for each interface, streaming or not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias

import msgspec
import structlog

from octoroute.dialects.base import Inbound, StreamWrapper
from octoroute.dialects.chat import ChatInbound
from octoroute.dialects.responses.inbound import ResponsesInbound
from octoroute.domain.endpoint import PASSED_TIERS
from octoroute.domain.principal import Principal
from octoroute.errors import OctorouteError
from octoroute.gateway.gateway import Gateway
from octoroute.gateway.offload import read_request
from octoroute.gateway.relay import KEEP_ALIVE_S, Reply
from octoroute.runtime.assembly import Runtime
from octoroute.server.decompression import decode_body
from octoroute.server.downstream import ClientGone, Downstream, Receive, ResponseBroken, Scope, Send, downstream_of
from octoroute.server.guard import (
    AccessRules,
    check_form,
    check_json,
    check_method,
    check_size,
    headers_of,
    id_headers,
    new_id,
    read_body,
    request_id,
    send_error,
    target_headers,
)
from octoroute.server.stored_responses import StoredResponses

log = structlog.stdlib.get_logger("octoroute.api")

COMPACT_PATH = "/v1/responses/compact"

_NO_HEADERS: Mapping[str, str] = {}
_WHOLE_DEFAULTS = {"content-type": "application/json"}
_STREAM_DEFAULTS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class Completion(Protocol):
    """What is done with the bytes of a response before the client gets them."""

    async def observe(self, frames: bytes) -> None:
        """Complete frames of a streamed response."""
        ...

    async def complete(self, body: bytes) -> bytes:
        """The whole body of another response; returns what the client gets."""
        ...


Prepare: TypeAlias = Callable[[bytes, str], Awaitable[tuple[bytes, Completion | None]]]
"""From the client's body and the owner of its key to the body that is read. Raises ClientError."""


def inference_routes(
    runtime: Runtime, rules: AccessRules, stored: StoredResponses, keep_alive_s: float
) -> Mapping[str, InferenceEndpoint]:
    """Return the routes by path. `keep_alive_s`: the longest silence in a stream before a keep-alive is sent."""

    def route(inbound: Inbound, prepare: Prepare | None = None) -> InferenceEndpoint:
        return InferenceEndpoint(
            runtime.gateway, inbound, rules=rules, present=_presenter(inbound), prepare=prepare, keep_alive_s=keep_alive_s
        )

    responses = runtime.interfaces[ResponsesInbound.name]
    return {
        **{path: route(inbound) for inbound in runtime.interfaces.values() for path in inbound.paths},
        **{path: route(responses, stored.prepare) for path in responses.paths},
        COMPACT_PATH: route(responses, stored.prepare_compaction),
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
        prepare: Prepare | None = None,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        """`rules` are read for every request, because a reload may change them. `present` makes the body of a non-streaming
        response; None: the body of the reply. `prepare` None: the client's body is read as it is.
        """
        self._gateway = gateway
        self._inbound = inbound
        self._rules = rules
        self._present = present
        self._has_target = any("{" in path for path in inbound.paths)
        self._headers_of = self._headers_with_target if self._has_target else headers_of
        self._check_media_type = _accept_any if inbound.any_media_type else check_form if inbound.takes_forms else check_json
        self._preset = inbound.preset if _overrides(inbound, "preset") else None
        self._stream_defaults = {"content-type": inbound.stream_type, **_STREAM_DEFAULTS}
        self._prepare = prepare
        self._keep_alive_s = keep_alive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given_id, headers = "", _NO_HEADERS
        started = settled = False
        client = downstream_of(scope, receive, send)
        try:
            headers = self._headers_of(scope)
            given_id = request_id(headers)
            self._rules.origins.check(scope, headers)
            rules = self._rules
            principal, headers = rules.identify(headers) if rules.tokens is None else await rules.identify_token(headers)
            check_method(scope, "POST")
            self._check_media_type(headers)
            limit = self._rules.max_request_bytes
            body = client.body()
            if body is None:
                body = await read_body(receive, headers, limit)
            elif "content-encoding" in headers:
                body = await decode_body(body, headers, limit)
            check_size(len(body), limit)
            if self._preset is not None and (ready := self._preset(body)) is not None:
                client.answer({**_WHOLE_DEFAULTS, "x-request-id": given_id}, ready)
                return await client.drain()
            client.watch_disconnect()
            completion = None
            if self._prepare is not None:
                body, completion = await self._prepare(body, self._rules.keys.owner(headers))
            request = await read_request(self._inbound, body, request_id=given_id, headers=headers, principal=principal)
            settled = True
            reply = await self._gateway.answer(request)
            started = True
            try:
                if reply.stream:
                    await self._stream(client, reply, completion)
                else:
                    await self._answer(client, reply, completion)
            finally:
                reply.close()
        except OctorouteError as error:
            given_id = given_id or new_id()
            self._rules.refused(error, scope, headers)
            if not settled:
                self._gateway.rejected(self._inbound.name, given_id, error)
            await send_error(send, error, self._inbound, given_id)
        except ClientGone:
            pass
        except (asyncio.CancelledError, ResponseBroken):
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

    async def answer_line(
        self, body: bytes, *, request_id: str, principal: Principal | None, owner: str
    ) -> tuple[int, bytes, float | None]:
        """Answer a request of a batch as one of that principal: status, body, and when to repeat it if the answer is an error."""
        settled = False
        try:
            completion = None
            if self._prepare is not None:
                body, completion = await self._prepare(body, owner)
            request = await read_request(self._inbound, body, request_id=request_id, headers=_NO_HEADERS, principal=principal)
            settled = True
            reply = await self._gateway.answer(request)
            try:
                answer = self._present(reply) if self._present else reply.body or b""
                if completion is not None:
                    answer = await completion.complete(answer)
                reply.delivered()
            finally:
                reply.close()
        except OctorouteError as error:
            if not settled:
                self._gateway.rejected(self._inbound.name, request_id, error)
            return *self.error_body(error, request_id), error.retry_after_s
        return 200, answer, None

    def error_body(self, error: OctorouteError, request_id: str) -> tuple[int, bytes]:
        return self._inbound.status(error), self._inbound.error(error, request_id)

    def _headers_with_target(self, scope: Scope) -> dict[str, str]:
        return target_headers(headers_of(scope), scope, self._inbound.key_parameter)

    async def _answer(self, client: Downstream, reply: Reply, completion: Completion | None) -> None:
        body = self._present(reply) if self._present else reply.body or b""
        if completion is not None:
            try:
                body = await completion.complete(body)
            except OctorouteError:
                reply.delivered()  # the endpoint did its work
                raise
        if client.answer(self._headers(reply), body):
            await client.drain()
        reply.delivered()

    async def _stream(self, client: Downstream, reply: Reply, completion: Completion | None) -> None:
        wrapper = self._inbound.wrapper(reply.request) if self._has_target else None
        if wrapper is not None:
            await self._stream_wrapped(client, reply, wrapper)
            return
        client.begin(self._headers(reply))
        async for piece in reply.pieces(self._keep_alive_s, client.write if completion is None else None):
            if completion is not None:
                await completion.observe(piece)
            if client.write(piece):
                await client.drain()
        if reply.failure is not None and reply.is_binary:
            await client.drain()
            raise ResponseBroken
        if client.end():
            await client.drain()

    async def _stream_wrapped(self, client: Downstream, reply: Reply, wrapper: StreamWrapper) -> None:
        client.begin({**self._headers(reply), "content-type": wrapper.media_type})
        async for piece in reply.pieces(self._keep_alive_s):
            if client.write(wrapper.wrap(piece) or wrapper.keep_alive):
                await client.drain()
        client.write(wrapper.end())
        if client.end():
            await client.drain()

    def _headers(self, reply: Reply) -> dict[str, str]:
        defaults = self._stream_defaults if reply.stream else _WHOLE_DEFAULTS
        if reply.request.api in PASSED_TIERS:
            defaults = {**defaults, "content-type": "application/octet-stream"}
        headers = {**defaults, **reply.headers}
        if (reply.stream and reply.request.api not in PASSED_TIERS) or reply.translated:
            headers["content-type"] = defaults["content-type"]
        headers |= id_headers(self._inbound.id_header, reply.request.id, headers)
        return headers


def _accept_any(headers: Mapping[str, str]) -> None:
    """In place of `check_json`."""


def _presenter(inbound: Inbound) -> Callable[[Reply], bytes] | None:
    if inbound.name == ChatInbound.name:
        return simple_reply
    return (lambda reply: inbound.present(reply.request, reply.body or b"")) if _overrides(inbound, "present") else None


def _overrides(inbound: Inbound, method: str) -> bool:
    """Whether the format has more than the protocol's default, which then need not be called for every request."""
    return getattr(type(inbound), method) is not getattr(Inbound, method)


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
