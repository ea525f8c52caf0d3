"""What Anthropic-compatible servers say, and how their clients ask: plain bytes, without an SDK."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx2

from tests.support.fake import event
from tests.support.live_gateway import LiveGateway

PATH = "/v1/messages"


def asks(text: str = "hello there", **more: Any) -> dict[str, Any]:
    return {"model": "auto", "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}


async def ask(gateway: LiveGateway, body: dict[str, Any] | None = None, **more: Any) -> httpx2.Response:
    headers = more.pop("headers", {})
    return await gateway.ask({**(body or asks()), **more}, path=PATH, headers={"anthropic-version": "2023-06-01", **headers})


def answer(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {
        "id": "msg_upstream",
        "type": "message",
        "role": "assistant",
        "model": "upstream-model",
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 3},
        **more,
    }


def named(name: str, **fields: Any) -> bytes:
    return event(json.dumps({"type": name, **fields}).encode(), name)


START = named("message_start", message=answer("", stop_reason=None, usage={"input_tokens": 7, "output_tokens": 1}))
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
TEXT = named("content_block_start", index=0, content_block={"type": "text", "text": ""})
STOP = named("content_block_stop", index=0)
END = named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 3}) + named(
    "message_stop"
)
OVERLOADED = event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error")


def delta(text: str) -> bytes:
    return named("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def words(texts: Iterable[str] = ("one ", "two ", "three ")) -> list[bytes]:
    """A proper stream, a frame an item."""
    return [START, PING, TEXT, *[delta(text) for text in texts], STOP, END]
