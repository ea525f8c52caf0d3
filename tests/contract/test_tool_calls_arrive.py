"""Tool calls arrive as they were meant, whatever a server does to them: a client that runs tools gets a JSON object or an error.

Every event that octoroute writes also satisfies the client's published schema.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.domain.outcome import Ending
from tests.support import messages, pairs
from tests.support.fake import DONE, chunk, event
from tests.support.published_schemas import calls_of, must_be_valid, must_be_valid_body
from tests.support.scripted import CLIENTS, ask
from tests.unit.dialects.response.test_tool_arguments import DEFECTS

EXAMPLES = settings(max_examples=int(os.environ.get("OCTOROUTE_EXAMPLES", "30")))
PAIRS = [(kind, client) for kind in ("openai", "anthropic", "gemini") for client in CLIENTS]
pairs_of_formats = pytest.mark.parametrize(("kind", "client"), PAIRS)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.text('\\"{}\n\t', max_size=6)
objects = st.dictionaries(texts, texts | st.integers(-9, 9) | st.lists(st.booleans(), max_size=2), max_size=3)
SAFE = st.sampled_from(["call_1", "a", "functions.Bash:0", "x" * 80, "ö", ""])


@st.composite
def cut(draw, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def openai_stream(draw, wanted: list[dict]) -> bytes:
    """Calls of one server: its way to number, name, and write them is drawn once; their fragments alternate if they are numbered."""
    numbered = draw(st.sampled_from([lambda at: at, str, float, lambda _: 0, lambda _: None]))
    distinct = numbered(0) != numbered(1)
    ids = [draw(SAFE) if distinct else f"call_{at}" for at in range(len(wanted))]
    defect = draw(st.sampled_from(list(DEFECTS)))
    name_parts = draw(st.sampled_from([["Bash"], ["Ba", "sh"], ["Bash", "Bash"], ["functions.Bash"], ["Bash<|x|>"]]))
    queues: list[list[dict]] = []
    for at, value in enumerate(wanted):
        fragments = draw(cut(DEFECTS[defect](json.dumps(value))))
        queue: list[dict] = [{"function": {"name": part, "arguments": draw(st.sampled_from(["", None]))}} for part in name_parts]
        queue[0] |= {"type": "function", **({"id": ids[at]} if ids[at] else {})}
        queue += [{"function": {"arguments": fragment}} for fragment in fragments]
        queues.append([{"index": numbered(at), **one} if numbered(at) is not None else one for one in queue])
    frames = [pairs.ROLE]
    while any(queues):
        waiting = [queue for queue in queues if queue]
        queue = draw(st.sampled_from(waiting)) if distinct else waiting[0]
        frames.append(chunk({"tool_calls": [queue.pop(0)]}))
    return b"".join([*frames, chunk({}, draw(st.sampled_from(["tool_calls", "stop", "function_call"]))), DONE])


@st.composite
def anthropic_stream(draw, wanted: list[dict]) -> bytes:
    frames = [messages.START]
    defect = draw(st.sampled_from(list(DEFECTS)))
    for at, value in enumerate(wanted):
        inside = draw(st.booleans())
        block: dict[str, Any] = {"type": "tool_use", "id": draw(SAFE), "name": "Bash", "input": {}}
        if inside:
            block["input"] = draw(st.sampled_from([value, json.dumps(value)]))
        frames.append(messages.named("content_block_start", index=at, content_block=block))
        if not inside:
            for part in draw(cut(DEFECTS[defect](json.dumps(value)))):
                frames.append(
                    messages.named("content_block_delta", index=at, delta={"type": "input_json_delta", "partial_json": part})
                )
        frames.append(messages.named("content_block_stop", index=at))
    end = messages.named("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 3})
    return b"".join([*frames, end, messages.named("message_stop")])


@st.composite
def gemini_stream(draw, wanted: list[dict]) -> bytes:
    frames = []
    for value in wanted:
        args = draw(st.sampled_from([value, json.dumps(value)]))
        call = {"name": "Bash", "args": args, **({"id": "same"} if draw(st.booleans()) else {})}
        frames.append(event({"candidates": [{"content": {"role": "model", "parts": [{"functionCall": call}]}}]}))
    return b"".join([*frames, pairs.gemini("", "STOP")])


STREAMS = {"openai": openai_stream, "anthropic": anthropic_stream, "gemini": gemini_stream}


def must_arrive(client: str, told: Any, wanted: list[dict]) -> None:
    assert told.status == 200
    assert told.outcome.ending is Ending.ANSWERED, told.body
    must_be_valid(client, told.body)
    calls = calls_of(client, told.body)
    assert sorted(json.dumps(json.loads(arguments), sort_keys=True) for _, _, arguments in calls) == sorted(
        json.dumps(value, sort_keys=True) for value in wanted
    )
    assert {name for _, name, _ in calls} == {"Bash"}
    assert len({id for id, _, _ in calls}) == len(calls)
    assert all(id and len(id) <= 64 for id, _, _ in calls)


@pairs_of_formats
@EXAMPLES
@given(wanted=st.lists(objects, min_size=1, max_size=3), data=st.data())
def test_calls_arrive_as_they_were_meant(kind, client, wanted, data):
    raw = data.draw(STREAMS[kind](wanted))
    if kind == client:
        if kind != "openai":
            return  # passed through as it is
        told, _ = ask(kind, client, {"one": [raw]}, quirks=("mend-tool-calls",))
        told.body = told.body.replace(b"functions.", b"").replace(b"<|x|>", b"")  # its decoder does not know the tools
    else:
        told, _ = ask(kind, client, {"one": [raw]})
    must_arrive(client, told, wanted)


BROKEN = ["ls -l", '["ls"]', '{"c":', '{"c":1}{"c":2}', "7", '"text"', "{c: 1}"]


@pytest.mark.parametrize(("kind", "client"), [pair for pair in PAIRS if pair[0] != pair[1]])
@pytest.mark.parametrize("arguments", BROKEN)
def test_what_cannot_be_mended_is_an_error(kind, client, arguments):
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "Bash", "arguments": arguments}}
    raw = {
        "openai": [pairs.ROLE, chunk({"tool_calls": [call]}), chunk({}, "tool_calls"), DONE],
        "anthropic": [
            messages.START,
            messages.named(
                "content_block_start", index=0, content_block={"type": "tool_use", "id": "a", "name": "Bash", "input": {}}
            ),
            messages.named("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": arguments}),
            messages.STOP,
            messages.named("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 3}),
            messages.named("message_stop"),
        ],
        "gemini": [
            event({"candidates": [{"content": {"parts": [{"functionCall": {"name": "Bash", "args": arguments}}]}}]}),
            pairs.gemini("", "STOP"),
        ],
    }[kind]
    told, _ = ask(kind, client, {"one": raw})
    assert told.status == 502 or told.outcome.ending is Ending.BROKEN
    must_be_valid(client, told.body)


@pairs_of_formats
@EXAMPLES
@given(wanted=st.lists(objects, min_size=1, max_size=3), data=st.data())
def test_calls_of_a_whole_answer(kind, client, wanted, data):
    if kind == client:
        return
    defect = DEFECTS[data.draw(st.sampled_from(list(DEFECTS)))] if kind == "openai" else lambda text: text
    written = [defect(json.dumps(value)) for value in wanted]
    id = data.draw(SAFE)
    body = {
        "openai": {
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "tool_calls",
                    "message": {
                        "content": " ",
                        "tool_calls": [{"id": id, "function": {"name": "Bash", "arguments": one}} for one in written],
                    },
                }
            ]
        },
        "anthropic": messages.answer(
            "", content=[{"type": "tool_use", "id": id, "name": "Bash", "input": one} for one in wanted], stop_reason="tool_use"
        ),
        "gemini": {
            "candidates": [
                {"finishReason": "STOP", "content": {"parts": [{"functionCall": {"name": "Bash", "args": one}} for one in wanted]}}
            ]
        },
    }[kind]
    told, _ = ask(kind, client, {"one": [json.dumps(body).encode()]}, stream=False, content_type="application/json")
    assert told.status == 200, told.error
    must_be_valid_body(client, told.body)
    found = json.loads(told.body)
    calls = {
        "openai": lambda: [json.loads(call["function"]["arguments"]) for call in found["choices"][0]["message"]["tool_calls"]],
        "anthropic": lambda: [block["input"] for block in found["content"]],
        "responses": lambda: [json.loads(item["arguments"]) for item in found["output"] if item["type"] == "function_call"],
    }[client]()
    assert calls == wanted
