"""Checks of Anthropic's Messages API. A gateway without it is not wrong: the checks are skipped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from octoroute.cli.conform.probe_client import NotApplicable, SentEvent, pick
from octoroute.cli.conform.scripts import LockStep, call_a_tool, cut_by, reset
from octoroute.cli.conform.stream_checks import expect_arguments, expect_at_once
from octoroute.cli.conform.suite import Bench, Check, collect, collect_cut, expect, shown

_ORDER = re.compile(r"M (SD*E )+(G )+Z")
"""Of the events of a message, a letter each: see `_LETTERS`. Source: Anthropic's API reference, "Streaming Messages"."""
_LETTERS = {
    "message_start": "M ",
    "content_block_start": "S",
    "content_block_delta": "D",
    "content_block_stop": "E ",
    "message_delta": "G ",
    "message_stop": "Z",
    "ping": "",
}


async def _offered(bench: Bench) -> None:
    """Wait for the gateway. Raises NotApplicable if it has no such route."""
    await bench.settle()
    answer = await bench.client.send("POST", "/messages", {"model": bench.model, "max_tokens": 5})  # which no model is asked
    if answer.status in {404, 405}:
        raise NotApplicable("POST /v1/messages is not offered")


async def answers_messages(bench: Bench) -> None:
    await _offered(bench)
    answer = await bench.client.send("POST", "/messages", bench.question())
    expect(answer.status == 200, f"status {answer.status}: {shown(answer.body)}")
    body = answer.fields
    expect(body.get("type") == "message" and body.get("role") == "assistant", f"no message: {shown(answer.body)}")
    expect(isinstance(body.get("content"), list) and body["content"], "no content")
    expect(body.get("stop_reason") in ("end_turn", "max_tokens", "stop_sequence"), f"stop_reason is {body.get('stop_reason')!r}")
    expect(isinstance(pick(body, "usage", "input_tokens"), int), "no usage.input_tokens")


async def streams_messages(bench: Bench) -> None:
    await _offered(bench)
    async with bench.client.stream("/messages", bench.question(stream=True)) as stream:
        events = await collect(stream)
    expect(all(event.name == event.fields.get("type") for event in events), "an event's name is not its type")
    expect_order(events)


def expect_order(events: Sequence[SentEvent]) -> None:
    """Raises BrokenPromise unless the events make one whole message."""
    unknown = [event.name for event in events if event.name not in _LETTERS]
    expect(not unknown, f"an event of the type {unknown[:1]}")
    found = "".join(_LETTERS[event.name] for event in events)
    expect(_ORDER.fullmatch(found), f"the events come in another order: {', '.join(event.name for event in events)[:200]}")


async def passes_each_message_event_at_once(bench: Bench) -> None:
    await _offered(bench)
    script = LockStep(bench.step_limit_s)
    bench.servers.follow(script)
    async with bench.client.stream("/messages", bench.question(stream=True)) as stream:
        expect(stream.status == 200, f"status {stream.status}")
        async for event in stream.events():
            if event.name == "content_block_delta":
                script.arrived.release()
    expect_at_once(script)


async def passes_message_tool_calls(bench: Bench) -> None:
    await _offered(bench)
    bench.servers.follow(call_a_tool)
    tools: list[dict[str, Any]] = [{"name": "write", "description": "Write.", "input_schema": {"type": "object", "properties": {}}}]
    async with bench.client.stream("/messages", bench.question(stream=True, tools=tools)) as stream:
        events = await collect(stream)
    expect_order(events)
    reasons = [pick(event.fields, "delta", "stop_reason") for event in events if event.name == "message_delta"]
    expect(reasons[-1:] == ["tool_use"], f"stop_reason is {reasons[-1:]}, not tool_use")
    pieces = [pick(event.fields, "delta", "partial_json") for event in events]
    expect_arguments("".join(str(piece) for piece in pieces if piece))


async def refuses_in_its_envelope(bench: Bench) -> None:
    await _offered(bench)
    answer = await bench.client.send("POST", "/messages", {"model": bench.model, "max_tokens": 5})
    expect(answer.status == 400, f"status {answer.status}")
    expect(answer.fields.get("type") == "error", f"not Anthropic's envelope: {shown(answer.body)}")
    texts = (pick(answer.fields, "error", "type"), pick(answer.fields, "error", "message"))
    expect(all(isinstance(text, str) for text in texts), f"no error.type and error.message: {shown(answer.body)}")


async def tells_a_cut(bench: Bench) -> None:
    await _offered(bench)
    bench.servers.follow(cut_by(reset))
    async with bench.client.stream("/messages", bench.question(stream=True)) as stream:
        if stream.status != 200:
            return  # an error instead of half an answer is as good
        events, broke = await collect_cut(stream)
    expect(all(event.name != "message_stop" for event in events), "half an answer ends with message_stop")
    expect(broke or any(event.is_error for event in events), "half an answer ends without an error")


async def counts_tokens(bench: Bench) -> None:
    await _offered(bench)
    body = {name: value for name, value in bench.question().items() if name != "max_tokens"}
    answer = await bench.client.send("POST", "/messages/count_tokens", body)
    if answer.status in {404, 405}:
        raise NotApplicable("POST /v1/messages/count_tokens is not offered")
    expect(answer.status == 200, f"status {answer.status}: {shown(answer.body)}")
    count = answer.fields.get("input_tokens")
    expect(isinstance(count, int) and count > 0, f"input_tokens is {count!r}")


MESSAGES_CHECKS = (
    Check("messages", "an answer is a message with content, a stop reason, and usage", answers_messages),
    Check("messages-stream", "a stream is one message, its events in order", streams_messages),
    Check("messages-error", "an error is in Anthropic's envelope", refuses_in_its_envelope),
    Check("messages-count", "count_tokens counts", counts_tokens),
    Check("messages-at-once", "each event arrives before the next one is made", passes_each_message_event_at_once),
    Check("messages-tools", "a tool call in pieces arrives as the same JSON", passes_message_tool_calls),
    Check("messages-cut", "a reset in the middle is an error, never an end", tells_a_cut),
)
