"""Checks of streams and requests on their way between client and model server, which the scripted servers make visible."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from octoroute.cli.conform.model_server import Script, ScriptedExchange
from octoroute.cli.conform.probe_client import BrokenPromise, SentEvent, pick
from octoroute.cli.conform.scripts import (
    ARGUMENTS,
    TEXT,
    USAGE,
    WORDS,
    LockStep,
    call_a_tool,
    chunk,
    close,
    cut_by,
    finish,
    raw,
    reset,
)
from octoroute.cli.conform.suite import Bench, Check, collect, collect_cut, delta, expect, shown, text_of

HANG_UP_LIMIT_S = 1.0
LONG_TEXT = "0123456789abcdef" * 65_536
"""1 MiB."""
QUESTION_FIELDS: Mapping[str, Any] = {
    "seed": 9_007_199_254_740_993,
    "x_vendor_option": {"deep": [1, None, "\u00fc"]},
    "temperature": 0.3,
}
"""The seed does not fit into a double."""


async def _streamed(bench: Bench, *scripts: Script, **fields: Any) -> list[SentEvent]:
    await bench.settle()
    bench.servers.follow(*scripts)
    async with bench.client.stream("/chat/completions", bench.question(stream=True, **fields)) as stream:
        return await collect(stream)


async def passes_each_event_at_once(bench: Bench) -> None:
    await bench.settle()
    script = LockStep(bench.step_limit_s)
    bench.servers.follow(script)
    async with bench.client.stream("/chat/completions", bench.question(stream=True)) as stream:
        expect(stream.status == 200, f"status {stream.status}")
        async for event in stream.events():
            if delta(event, "content"):
                script.arrived.release()
    expect_at_once(script)


def expect_at_once(script: LockStep) -> None:
    """Raises BrokenPromise."""
    expect(
        script.held_back is None, f"{script.held_back!r} had not arrived {script.limit_s:g} s later: the gateway holds events back"
    )


async def keeps_unknown_fields_of_events(bench: Bench) -> None:
    async def script(exchange: ScriptedExchange) -> None:
        exchange.head()
        await exchange.event(chunk({"content": TEXT, "x_note": "kept"}, x_vendor={"a": [1]}))
        await finish(exchange)

    events = await _streamed(bench, script)
    found = next((event.fields for event in events if delta(event, "content")), None)
    expect(pick(found, "x_vendor") == {"a": [1]}, "the chunk's field x_vendor is gone")
    expect(pick(found, "choices", 0, "delta", "x_note") == "kept", "the delta's field x_note is gone")


async def keeps_text_that_is_cut_anywhere(bench: Bench) -> None:
    text = "na\u00efve \u6f22\u5b57 \U0001f419"
    event = b"data: " + json.dumps(chunk({"content": text}), ensure_ascii=False).encode() + b"\n\n"
    end = b"data: " + json.dumps(chunk({}, "stop")).encode() + b"\n\ndata: [DONE]\n\n"
    middle = event.index("\U0001f419".encode()) + 2
    found = text_of(await _streamed(bench, raw(event[:middle], event[middle:-1], event[-1:] + end)))
    expect(found == text, f"{shown(found)}, not {shown(text)}")


async def reads_every_line_end(bench: Bench) -> None:
    lines = b": hello\r\n\r\ndata:" + json.dumps(chunk({"content": TEXT})).encode() + b"\r\n\r\nid: 7\nretry: 10\n\n"
    end = b"data: " + json.dumps(chunk({}, "stop")).encode() + b"\r\n\r\ndata: [DONE]\r\n\r\n"
    found = text_of(await _streamed(bench, raw(lines, end)))
    expect(found == TEXT, f"{shown(found)}, not {shown(TEXT)}")


async def passes_a_long_event(bench: Bench) -> None:
    async def script(exchange: ScriptedExchange) -> None:
        exchange.head()
        await exchange.event(chunk({"content": LONG_TEXT}))
        await finish(exchange)

    found = text_of(await _streamed(bench, script))
    expect(found == LONG_TEXT, f"{len(found)} characters of {len(LONG_TEXT)} arrived")


async def passes_usage(bench: Bench) -> None:
    events = await _streamed(bench, stream_options={"include_usage": True})
    totals = [total for event in events if not event.is_done and (total := pick(event.fields, "usage", "total_tokens")) is not None]
    expect(totals, "no chunk has usage although the client asked for it")
    expect(totals[-1] == USAGE["total_tokens"], f"total_tokens is {totals[-1]}, not {USAGE['total_tokens']}")


async def passes_tool_calls(bench: Bench) -> None:
    events = await _streamed(bench, call_a_tool, tools=[tool("write")])
    ids = [id for event in events if (id := delta(event, "tool_calls", 0, "id"))]
    expect(ids == ["call_1"], f"the call's ids are {ids[:3]}")
    arguments = [delta(event, "tool_calls", 0, "function", "arguments") for event in events]
    expect_arguments("".join(str(piece) for piece in arguments if piece))


def tool(name: str) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "description": "Write.", "parameters": {"type": "object", "properties": {}}},
    }


def expect_arguments(found: str) -> None:
    """Raises BrokenPromise unless `found` is the JSON of ARGUMENTS."""
    try:
        same = json.loads(found) == ARGUMENTS
    except ValueError:
        same = False
    expect(same, f"the arguments are {shown(found)}")


def expect_failure(events: Sequence[SentEvent], broke: bool) -> None:
    """The client can tell that the answer is not whole. Raises BrokenPromise."""
    finished = any(pick(event.fields, "choices", 0, "finish_reason") for event in events if not event.is_done)
    expect(not finished, "a finish reason says that half an answer is whole")
    failed = broke or any(event.is_error for event in events if not event.is_done)
    expect(failed, f"half an answer ends like a whole one: {shown(events[-1].data) if events else 'no event'}")


def tells_a_cut(end: Callable[[ScriptedExchange], Awaitable[None]]) -> Callable[[Bench], Awaitable[None]]:
    """The check of a stream that begins well and is ended by `end`."""

    async def check(bench: Bench) -> None:
        await bench.settle()
        bench.servers.follow(cut_by(end))
        async with bench.client.stream("/chat/completions", bench.question(stream=True)) as stream:
            if stream.status != 200:
                return  # an error instead of half an answer is as good
            events, broke = await collect_cut(stream)
        expect_failure(events, broke)
        text = text_of(events)
        expect(TEXT.startswith(text), f"the client has {shown(text)}: words of two answers, or of an error")

    return check


async def _error(exchange: ScriptedExchange) -> None:
    await exchange.event({"error": {"message": "out of memory", "type": "server_error", "code": 500}})


async def _expect_closed(bench: Bench, script: Callable[[ScriptedExchange, asyncio.Event, asyncio.Event], Awaitable[None]]) -> None:
    """The client leaves as soon as the server is `ready`; the gateway has to leave, too."""
    await bench.settle()
    ready, gone = asyncio.Event(), asyncio.Event()
    bench.servers.follow(lambda exchange: script(exchange, ready, gone))

    async def ask() -> None:
        async with bench.client.stream("/chat/completions", bench.question(stream=True)) as stream:
            await collect(stream)

    asked = asyncio.ensure_future(ask())
    try:
        async with asyncio.timeout(bench.step_limit_s):
            await ready.wait()
        await asyncio.sleep(0.1)
    except TimeoutError:
        raise BrokenPromise("the request did not reach the model server") from None
    finally:
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
    left_at_s = time.monotonic()
    try:
        async with asyncio.timeout(2 * bench.step_limit_s):
            await gone.wait()
    except TimeoutError:
        raise BrokenPromise(f"the model server's connection is open {2 * bench.step_limit_s:g} s after the client left") from None
    took_s = time.monotonic() - left_at_s
    expect(took_s <= HANG_UP_LIMIT_S, f"the model server's connection was closed {took_s:.1f} s after the client left")


async def _before_answering(exchange: ScriptedExchange, ready: asyncio.Event, gone: asyncio.Event) -> None:
    ready.set()
    await exchange.gone()
    gone.set()


async def _while_answering(exchange: ScriptedExchange, ready: asyncio.Event, gone: asyncio.Event) -> None:
    exchange.head()
    await exchange.event(chunk({"content": WORDS[0]}))
    await _before_answering(exchange, ready, gone)


async def closes_upstream_before_an_answer(bench: Bench) -> None:
    await _expect_closed(bench, _before_answering)


async def closes_upstream_during_an_answer(bench: Bench) -> None:
    await _expect_closed(bench, _while_answering)


async def keeps_the_request(bench: Bench) -> None:
    await bench.settle()
    bench.servers.follow()
    answer = await bench.client.send("POST", "/chat/completions", bench.question(**QUESTION_FIELDS))
    expect(answer.status == 200, f"status {answer.status}: {shown(answer.body)}")
    found = bench.servers.seen[-1][1].fields
    for name, value in QUESTION_FIELDS.items():
        expect(found.get(name) == value, f"{name} reached the model server as {found.get(name)!r}, not as {value!r}")


STREAM_CHECKS = (
    Check("stream-at-once", "each event arrives before the next one is made", passes_each_event_at_once),
    Check("stream-unknown", "unknown fields of events are kept", keeps_unknown_fields_of_events),
    Check("stream-utf8", "text arrives whole wherever the bytes are cut", keeps_text_that_is_cut_anywhere),
    Check("stream-lines", "comments, CRLF, and data: without a space are read", reads_every_line_end),
    Check("stream-long", "an event of 1 MiB arrives whole", passes_a_long_event),
    Check("stream-usage", "usage arrives if the client asks for it", passes_usage),
    Check("stream-tools", "a tool call in pieces arrives as the same JSON", passes_tool_calls),
    Check("cut-reset", "a reset in the middle is an error, never an end", tells_a_cut(reset)),
    Check("cut-close", "a close in the middle is an error, never an end", tells_a_cut(close)),
    Check("cut-error", "an error event in the middle is an error, never an end", tells_a_cut(_error)),
    Check(
        "hang-up-before",
        "a client that leaves before the answer frees the model server within 1 s",
        closes_upstream_before_an_answer,
    ),
    Check(
        "hang-up-during",
        "a client that leaves during the answer frees the model server within 1 s",
        closes_upstream_during_an_answer,
    ),
    Check("request-kept", "unknown fields and large integers of the request reach the model server", keeps_the_request),
)
