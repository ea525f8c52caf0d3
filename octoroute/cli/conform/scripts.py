"""What a scripted model server does with one request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from octoroute.cli.conform.model_server import Script, ScriptedExchange
from octoroute.cli.conform.probe_client import pick

WORDS = ("One ", "answer ", "of ", "five ", "words.")
"""The plain answer, an event each."""
TEXT = "".join(WORDS)
USAGE: Mapping[str, int] = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
ARGUMENTS = {"path": "a/b \u00fc.txt", "lines": [1, 2], "note": 'say "no"'}
"""Of the tool call."""


def chunk(delta: Mapping[str, Any], finish: str | None = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "conform", "choices": [choice], **fields}


def completion(text: str = TEXT, **fields: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "conform",
        "choices": [choice],
        "usage": USAGE,
        **fields,
    }
    return json.dumps(body).encode()


async def plain_answer(exchange: ScriptedExchange) -> None:
    """What a model server says if nothing special is wanted: `TEXT`, whole or streamed."""
    if not exchange.seen.is_stream:
        exchange.answer(200, completion())
        return
    exchange.head()
    for at, word in enumerate(WORDS):
        await exchange.event(chunk({"content": word} if at else {"role": "assistant", "content": word}))
    await finish(exchange)


async def finish(exchange: ScriptedExchange, reason: str = "stop") -> None:
    """The end of a stream: the last chunk, usage if the request wants it, and the mark."""
    await exchange.event(chunk({}, reason))
    if pick(exchange.seen.fields, "stream_options", "include_usage"):
        await exchange.event({**chunk({}), "choices": [], "usage": USAGE})
    await exchange.done()


class LockStep:
    """Streams the plain answer, and makes an event only after the client has the one before it: no clock decides."""

    def __init__(self, limit_s: float) -> None:
        """`limit_s`: how long it waits for the client to have an event."""
        self.limit_s = limit_s
        self.arrived = asyncio.Semaphore(0)
        """The client releases it for each event."""
        self.held_back: str | None = None
        """The event that did not arrive."""

    async def __call__(self, exchange: ScriptedExchange) -> None:
        exchange.head()
        for word in WORDS:
            await exchange.event(chunk({"content": word}))
            try:
                async with asyncio.timeout(self.limit_s):
                    await self.arrived.acquire()
            except TimeoutError:
                self.held_back = word
                break
        await finish(exchange)


async def call_a_tool(exchange: ScriptedExchange) -> None:
    """A stream with one call, its arguments in pieces of five characters."""
    written = json.dumps(ARGUMENTS, ensure_ascii=False)
    exchange.head()
    begin = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "write", "arguments": ""}}
    await exchange.event(chunk({"role": "assistant", "tool_calls": [begin]}))
    for at in range(0, len(written), 5):
        await exchange.event(chunk({"tool_calls": [{"index": 0, "function": {"arguments": written[at : at + 5]}}]}))
    await finish(exchange, "tool_calls")


def raw(*pieces: bytes) -> Script:
    """A stream of these bytes, a write each."""

    async def script(exchange: ScriptedExchange) -> None:
        exchange.head()
        for piece in pieces:
            await exchange.send(piece)
            await asyncio.sleep(0.02)  # so that each is a segment of its own

    return script


def cut_by(end: Callable[[ScriptedExchange], Awaitable[None]]) -> Script:
    """A stream that begins well and is ended by `end`."""

    async def script(exchange: ScriptedExchange) -> None:
        exchange.head()
        await exchange.event(chunk({"role": "assistant", "content": WORDS[0]}))
        await exchange.event(chunk({"content": WORDS[1]}))
        await asyncio.sleep(0.2)  # so that the answer has begun at the client
        await end(exchange)

    return script


def refuse(status: int, message: str, **headers: str) -> Script:
    """A script that answers with an error in OpenAI's envelope."""
    body = json.dumps({"error": {"message": message, "type": "error", "param": None, "code": None}}).encode()

    async def script(exchange: ScriptedExchange) -> None:
        exchange.answer(status, body, **headers)

    return script


async def close(exchange: ScriptedExchange) -> None:
    """The server does so after the script."""
    del exchange


async def reset(exchange: ScriptedExchange) -> None:
    exchange.reset()


async def html(exchange: ScriptedExchange) -> None:
    exchange.answer(200, b"<!doctype html><title>Welcome to nginx!</title>", "text/html")


async def error_first(exchange: ScriptedExchange) -> None:
    exchange.head()
    await exchange.event({"error": {"message": "model is loading", "type": "server_error", "code": 503}})


async def nothing(exchange: ScriptedExchange) -> None:
    exchange.head()
    await exchange.done()
