"""The Responses API over a WebSocket: `GET /v1/responses` with an upgrade, for agents that send many turns over one connection.

Each text message `response.create` is a request; its events come back as text messages. One response is made at a time, others
wait. What a client does not want stored is remembered for as long as its connection lasts. Source:
https://developers.openai.com/api/docs/guides/websocket-mode, and Codex.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from octoroute.access.permissions import Permission
from octoroute.dialects.base import Inbound
from octoroute.dialects.response.errors import openai_envelope
from octoroute.dialects.response.sse import read_frames
from octoroute.dialects.responses import state
from octoroute.dialects.responses.inbound import ResponsesInbound
from octoroute.domain.events import Finished, FinishReason, Started
from octoroute.domain.outcome import Usage
from octoroute.errors import BadRequest, OctorouteError, Unauthorized
from octoroute.gateway.offload import read_request
from octoroute.gateway.relay import KEEP_ALIVE_S
from octoroute.gateway.stored_conversations import ResolvedRequest
from octoroute.runtime.assembly import Runtime
from octoroute.server.downstream import Receive, Scope, Send
from octoroute.server.guard import AccessRules, headers_of, new_id, request_id, send_error
from octoroute.server.http1.web_socket import DENIAL, VERSION, upgrade_required
from octoroute.server.stored_responses import StoredResponses

MAX_WAITING = 16
"""Messages that wait while a response is made."""
MAX_STREAM_ID_CHARS = 256
_GOING_AWAY, _UNSUPPORTED, _POLICY = 1001, 1003, 1008
"""Close codes (RFC 6455, 7.4.1)."""
_NOT_OF_THE_REQUEST = frozenset({"type", "stream_id", "generate", "stream"})
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str | None)

log = structlog.stdlib.get_logger("octoroute.api")


class _SocketEnd(Exception):
    """The socket is closed; nothing more can be answered."""


class _ErrorBody(msgspec.Struct):
    error: dict[str, Any]


_ERROR_BODY = msgspec.json.Decoder(_ErrorBody)


class ResponsesSocket:
    """Checks the handshakes of all WebSockets, and serves those of one path."""

    def __init__(self, runtime: Runtime, rules: AccessRules, stored: StoredResponses, keep_alive_s: float = KEEP_ALIVE_S) -> None:
        self.runtime = runtime
        self.rules = rules
        self.stored = stored
        self.keep_alive_s = keep_alive_s
        self.inbound: Inbound = runtime.interfaces[ResponsesInbound.name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        given_id = ""
        try:
            headers = headers_of(scope)
            given_id = request_id(headers)
            self.rules.origins.check({**scope, "scheme": "https" if scope["scheme"] == "wss" else "http"}, headers)
            await self.rules.admit_token(headers)
            self.rules.keys.authorize(self.rules.keys.check(headers), Permission.ASK)
            check_handshake(scope["path"] in self.inbound.paths, headers)
        except OctorouteError as error:

            async def deny(message: Mapping[str, Any]) -> None:
                await send({**message, "type": f"{DENIAL}.{message['type'].rpartition('.')[2]}"})

            await send_error(deny, error, self.inbound, given_id or new_id())
            return
        await send({"type": "websocket.accept", "headers": [(b"x-request-id", given_id.encode())]})
        await _Session(self, headers, receive, send).run()


def check_handshake(is_served: bool, headers: Mapping[str, str]) -> None:
    """Raises BadRequest, with status 426 where no WebSocket, or another version of it, is served."""
    if not is_served:
        raise upgrade_required("no WebSocket is served here; send a plain request")
    if headers.get("sec-websocket-version") != VERSION:
        raise upgrade_required(f"sec-websocket-version: must be {VERSION}")
    if len(headers.get("sec-websocket-key", "")) != 24:
        raise BadRequest("sec-websocket-key: must be 16 bytes in base64")


class _Session:
    """One open socket."""

    def __init__(self, socket: ResponsesSocket, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        self._socket = socket
        self._headers = headers
        self._receive = receive
        self._send = send
        self._memory = socket.stored.memory_of_connection()
        self._waiting: deque[str] = deque()
        self._waiting_chars = 0
        self._arrived = asyncio.Event()
        """A message waits, or the process stops."""
        self._stopping = False

    async def run(self) -> None:
        """Until the client leaves, or the process stops and nothing is left to answer."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read())
                tasks.create_task(self._answer_all())
        except* _SocketEnd:
            pass
        finally:
            self._memory.forget()

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            match message:
                case {"type": "websocket.receive", "text": str(text)}:
                    if text:
                        await self._enqueue(text)
                case {"type": "websocket.receive"}:
                    await self._fail(BadRequest("messages must be text: JSON objects"), new_id(), None)
                    await self._close(_UNSUPPORTED, "messages must be text")
                case {"type": "websocket.disconnect"}:
                    raise _SocketEnd
                case _:
                    self._stopping = True
                    self._arrived.set()

    async def _enqueue(self, text: str) -> None:
        self._waiting_chars += len(text)
        if len(self._waiting) >= MAX_WAITING or self._waiting_chars > self._socket.rules.max_request_bytes:
            error = BadRequest(
                f"more than {MAX_WAITING} messages wait, or too large ones; wait for a response before the next message"
            )
            await self._fail(error, new_id(), None)
            await self._close(_POLICY, "too many messages wait")
        self._waiting.append(text)
        self._arrived.set()

    async def _answer_all(self) -> None:
        while True:
            while self._waiting:
                text = self._waiting.popleft()
                self._waiting_chars -= len(text)
                await self._answer(text)
            if self._stopping:
                await self._close(_GOING_AWAY, "the gateway stops")
            self._arrived.clear()
            await self._arrived.wait()

    async def _close(self, code: int, reason: str) -> None:
        """Raises _SocketEnd."""
        await self._send({"type": "websocket.close", "code": code, "reason": reason})
        raise _SocketEnd

    async def _answer(self, text: str) -> None:
        """Every error becomes an event; the connection stays open, except for one whose key is no longer valid."""
        id, stream_id, settled = new_id(), None, False
        gateway, inbound, rules = self._socket.runtime.gateway, self._socket.inbound, self._socket.rules
        try:
            fields = _read_message(text)
            kind = _text(fields, "type")
            stream_id = _text(fields, "stream_id")
            if kind == "response.processed":  # Codex's note that it has read a response
                return
            if kind != "response.create":
                raise BadRequest(f"type: must be response.create, not {str(kind)[:100]!r}", param="type")  # noqa: TRY301 - it becomes an event, as the errors of the calls below
            await rules.admit_token(self._headers)
            principal = rules.keys.check(self._headers)
            rules.keys.authorize(principal, Permission.ASK)
            conversations = self._socket.stored.conversations_of_connection(self._memory)
            resolved = await conversations.resolve(msgspec.json.encode(fields), rules.keys.owner(self._headers))
            if not resolved.generate:
                await self._prepare(resolved, id, stream_id)
                return
            body = _request_body(resolved.body)
            request = await read_request(inbound, body, request_id=id, headers=self._headers, principal=principal)
            settled = True
            reply = await gateway.answer(request)
            try:
                async for piece in reply.pieces(self._socket.keep_alive_s):
                    if resolved.recorder is not None:
                        await resolved.recorder.observe(piece)
                    await self._forward(piece, stream_id)
            finally:
                reply.close()
        except OctorouteError as error:
            if not settled:
                gateway.rejected(inbound.name, id, error)
            await self._fail(error, id, stream_id)
            if isinstance(error, Unauthorized):
                await self._close(_POLICY, "the API key is not valid any more")
        except _SocketEnd:
            raise
        except Exception:
            log.exception("request failed", request_id=id)
            await self._fail(OctorouteError("the gateway failed; its log has the details under this request id"), id, stream_id)

    async def _prepare(self, resolved: ResolvedRequest, id: str, stream_id: str | None) -> None:
        """Answer `generate: false`: the turn can be continued, and no model has been asked."""
        inbound = self._socket.inbound
        body = _request_body(resolved.body)
        fields = state.read_fields(body)
        if fields is None or not state.input_items(fields.input):
            body = state.with_input(body, b'"-"')  # nothing is sent anywhere; a request without input is not one
        request = inbound.read(body, request_id=id, headers=self._headers)
        frames = inbound.encoder(request).encode([Started(usage=Usage()), Finished(FinishReason.STOP)])
        if resolved.recorder is not None:
            await resolved.recorder.observe(frames)
        await self._forward(frames, stream_id)

    async def _forward(self, frames: bytes, stream_id: str | None) -> None:
        """Each event by itself. Comments are for proxies of HTTP; the connection sends pings."""
        for _, data in read_frames(frames):
            text = data.decode("utf-8", "replace")
            if stream_id is not None and text.endswith("}"):
                text = f'{text[:-1]},"stream_id":{msgspec.json.encode(stream_id).decode()}}}'
            await self._send({"type": "websocket.send", "text": text})

    async def _fail(self, error: OctorouteError, id: str, stream_id: str | None) -> None:
        inbound = self._socket.inbound
        try:
            body = _ERROR_BODY.decode(inbound.error(error, id))
        except (ValueError, RecursionError):  # the body is the upstream's own, of any shape
            body = _ERROR_BODY.decode(openai_envelope(error))
        headers = {"x-request-id": id, **error.headers}
        if error.retry_after_s is not None:
            headers["retry-after"] = str(max(1, round(error.retry_after_s)))
        event = {"type": "error", "status": inbound.status(error), "error": body.error, "headers": headers}
        await self._forward(b"data: " + msgspec.json.encode(event) + b"\n\n", stream_id)


def _read_message(text: str) -> dict[str, msgspec.Raw]:
    try:
        return _OBJECT.decode(text)
    except (ValueError, RecursionError):
        raise BadRequest("a message must be a JSON object with `type`") from None


def _text(fields: Mapping[str, msgspec.Raw], name: str) -> str | None:
    try:
        text = _STRING.decode(fields.get(name, b"null"))
    except (ValueError, RecursionError):
        text = ""
    if text == "" or (text is not None and len(text) > MAX_STREAM_ID_CHARS):
        raise BadRequest(f"{name}: must be a text of 1 to {MAX_STREAM_ID_CHARS} characters", param=name)
    return text


def _request_body(message: bytes) -> bytes:
    """The body of the same request over HTTP."""
    fields = {name: value for name, value in _OBJECT.decode(message).items() if name not in _NOT_OF_THE_REQUEST}
    return msgspec.json.encode({**fields, "stream": True})
