"""Clients and endpoints of several dialects, for tests that run over every pair."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from tests.support import messages
from tests.support.fake import DONE, Fake, chunk, completion, event
from tests.support.live_gateway import endpoint, frames, question
from tests.support.messages import answer, asks, words

ROLE = chunk({"role": "assistant", "content": ""})
ONE = chunk({"content": "one"})
FINISH = chunk({}, "stop") + DONE
FAILING = {
    "openai": event({"error": {"message": "the server is overloaded", "type": "server_error", "code": "server_is_overloaded"}}),
    "anthropic": messages.OVERLOADED,
    "gemini": event({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}),
}
GOOD = {
    "openai": [ROLE, ONE, FINISH],
    "anthropic": words(["one"]),
    "gemini": [event({"candidates": [{"content": {"role": "model", "parts": [{"text": "one"}]}, "finishReason": "STOP"}]})],
}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
kinds = pytest.mark.parametrize("kind", GOOD)
clients = pytest.mark.parametrize("client", PATHS)


def row(fake: Fake, kind: str = "openai", **more) -> dict:
    return endpoint(fake, f"model-{fake.name}", id=fake.name, provider=kind, **more)


def asked_by(client: str, **more) -> dict:
    return asks(**more) if client == "anthropic" else question(**more)


async def streamed(gateway, client: str = "anthropic", **more):
    response = await gateway.ask(asked_by(client, stream=True, **more), path=PATHS[client])
    return response, response.content


def error_of(body: dict) -> dict:
    """Of either envelope, which must be whole."""
    told = body["error"]
    assert isinstance(told["message"], str) and told["message"]
    assert body.get("type") == "error" or "code" in told
    return told


def last_event(data: bytes) -> dict:
    return json.loads(data.rstrip().rsplit(b"data: ", 1)[1])


def call(index: int, arguments: str, id: str | None = None, name: str | None = None) -> bytes:
    fragment = {"index": index, "function": {"arguments": arguments, **({"name": name} if name else {})}}
    return chunk({"tool_calls": [{**fragment, **({"id": id, "type": "function"} if id else {})}]})


async def leave(gateway, client: str, wanted: bytes | None, fake: Fake | None = None) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    data = json.dumps(asked_by(client, stream=True)).encode()
    writer.write(b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (PATHS[client].encode(), len(data), data))
    if wanted is None:
        assert fake is not None
        await fake.asked()
    else:
        await reader.readuntil(wanted)
    writer.close()


WHOLE = {
    "openai": completion("one"),
    "anthropic": answer("one"),
    "gemini": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "one"}]}, "finishReason": "STOP"}],
        "modelVersion": "upstream-name",
    },
}


def gemini(text: str, finish: str | None = None) -> bytes:
    parts = {"content": {"role": "model", "parts": [{"text": text}]}} if text else {}
    return event({"candidates": [{**parts, **({"finishReason": finish} if finish else {})}]})


def text_of(client: str, data: bytes) -> str:
    if client == "anthropic":
        said = [json.loads(line[6:]) for line in data.split(b"\n") if line.startswith(b"data: ")]
        return "".join(one["delta"].get("text", "") for one in said if one["type"] == "content_block_delta")
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in frames(data)[:-1] if c["choices"])


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
MESSAGE = {"model": "auto", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
ANTHROPIC = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
