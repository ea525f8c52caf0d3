"""A Conversation as a Responses request."""

from __future__ import annotations

import json

import pytest
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

from octoroute.dialects.openai.compat import merge_presets
from octoroute.dialects.responses.request_encoder import encode_request, unsupported
from octoroute.domain.conversation import (
    AnswerFormat,
    Audio,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    ThinkingWish,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from octoroute.errors import BadRequest
from tests.support.vendors.strict import problems

OPENAI = merge_presets("openai", "openai-reasoning", "gpt-5.1")
PLAIN = merge_presets()
USER = Turn(Role.USER, (Text("hi"),))
STRICT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
TOOLS = (Tool(name="f", description="d", schema=STRICT, strict=True), Tool(name="g.h"))


def written(*turns, quirks=OPENAI, stream=False, notes=None, limit=None, **fields):
    conversation = Conversation(turns=turns or (USER,), **fields)
    body = json.loads(encode_request(conversation, model="m", quirks=quirks, stream=stream, max_output_tokens=limit, notes=notes))
    assert problems({"stream": False, **body} if not stream else {**body, "stream": False}, ResponseCreateParamsNonStreaming) == []
    return body


def test_the_least():
    assert written(quirks=PLAIN) == {
        "model": "m",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        "store": False,
    }


def test_a_history_of_everything():
    image = Image(media_type="image/png", data="AA", detail="low")
    notes: list[str] = []
    body = written(
        Turn(Role.USER, (Text("look"), image, Image(url="https://x/y.png"), Document(url="https://x/y.pdf"))),
        Turn(
            Role.ASSISTANT,
            (
                Thinking("hm", signature="rs_1.gAAA", origin="responses"),
                Thinking("of another", signature="Er==", origin="anthropic"),
                RedactedThinking("blob"),
                Text("I look"),
                ToolCall("c1", "f", '{"a":"b"}'),
                ToolCall("c2", "g.h", ""),
            ),
        ),
        Turn(
            Role.USER,
            (
                ToolResult("c1", (Text("one"),), is_error=True),
                ToolResult("c2", (Text("two"), image, Document(media_type="application/pdf", data="AA", title="a.pdf"))),
                Text("go on"),
            ),
        ),
        Turn(Role.SYSTEM, (Text("be brief"),)),
        Turn(Role.USER, (Document(text="words", title="t"),)),
        system=(Text("sys"),),
        tools=TOOLS,
        notes=notes,
    )
    assert body["instructions"] == "sys"
    items = body["input"]
    assert [part["type"] for part in items[0]["content"]] == ["input_text", "input_image", "input_image", "input_file"]
    assert items[0]["content"][1] == {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"}
    assert items[1] == {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "gAAA",
    }
    assert items[2] == {"role": "assistant", "content": "I look"}
    assert items[3] == {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":"b"}'}
    assert items[4]["name"].startswith("g_h_") and items[4]["arguments"] == "{}"
    assert items[5] == {"type": "function_call_output", "call_id": "c1", "output": "[tool error] one"}
    assert [part["type"] for part in items[6]["output"]] == ["input_text", "input_image", "input_file"]
    assert items[7] == {"role": "user", "content": [{"type": "input_text", "text": "go on"}]}
    assert items[8] == {"role": "developer", "content": "be brief"}
    assert items[9]["content"] == [{"type": "input_text", "text": "t\n\nwords"}]
    assert [note for note in notes if note.startswith("thinking")]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, {}),
        (ToolChoice(mode="any"), {"tool_choice": "required"}),
        (ToolChoice(mode="none"), {"tool_choice": "none"}),
        (ToolChoice(mode="tool", name="f"), {"tool_choice": {"type": "function", "name": "f"}}),
        (ToolChoice(parallel=False), {"tool_choice": "auto", "parallel_tool_calls": False}),
    ],
)
def test_tools_and_choices(choice, sent):
    body = written(tools=TOOLS, tool_choice=choice)
    assert [(tool["name"][:4], tool["strict"], tool.get("description")) for tool in body["tools"]] == [
        ("f", True, "d"),
        ("g_h_", False, None),
    ]
    assert {name: body[name] for name in ("tool_choice", "parallel_tool_calls") if name in body} == sent
    assert [tool["name"] for tool in written(tools=TOOLS, tool_choice=ToolChoice(mode="any", allowed=("f",)))["tools"]] == ["f"]


def test_limits_and_sampling():
    notes: list[str] = []
    body = written(
        quirks=PLAIN, max_tokens=5, temperature=0.5, top_p=0.9, top_k=3, seed=1, frequency_penalty=1.0, notes=notes, stop=("x",)
    )
    assert (body["max_output_tokens"], body["temperature"], body["top_p"]) == (16, 0.5, 0.9)
    assert {note.partition(":")[0] for note in notes} == {"max_tokens", "top_k", "seed", "frequency_penalty"}
    assert written(max_tokens=500, limit=100)["max_output_tokens"] == 100
    reasoning = written(temperature=0.5, notes=notes)
    assert "temperature" not in reasoning and notes[-1].startswith("temperature")


@pytest.mark.parametrize(
    ("wish", "quirks", "sent"),
    [
        (None, OPENAI, None),
        (ThinkingWish(effort="high"), OPENAI, {"effort": "high", "summary": "auto"}),
        (ThinkingWish(effort="xhigh"), OPENAI, {"effort": "high", "summary": "auto"}),
        (ThinkingWish(enabled=False), OPENAI, {"effort": "none"}),
        (ThinkingWish(enabled=True, budget_tokens=1024), OPENAI, {"effort": "low", "summary": "auto"}),
        (ThinkingWish(adaptive=True), OPENAI, {"summary": "auto"}),
        (ThinkingWish(effort="low", visible=False), OPENAI, {"effort": "low"}),
        (ThinkingWish(effort="none"), PLAIN, None),
    ],
)
def test_reasoning(wish, quirks, sent):
    body = written(thinking=wish, quirks=quirks)
    assert body.get("reasoning") == sent
    assert body.get("include") == (["reasoning.encrypted_content"] if quirks is OPENAI else None)


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (AnswerFormat(), {"type": "json_object"}),
        (AnswerFormat(schema=STRICT, name="o"), {"type": "json_schema", "name": "o", "schema": STRICT, "strict": True}),
        (
            AnswerFormat(schema={"type": "object"}, name="o"),
            {"type": "json_schema", "name": "o", "schema": {"type": "object"}, "strict": False},
        ),
    ],
)
def test_formats(wanted, sent):
    assert written(format=wanted)["text"] == {"format": sent}


def test_user_cache_and_stream():
    body = written(user="u", cache_key="k", service_tier="flex", stream=True)
    assert (body["prompt_cache_key"], body["service_tier"], body["stream"]) == ("k", "flex", True)
    assert len(body["safety_identifier"]) == 32


@pytest.mark.parametrize("block", [Audio("AA", "wav"), ToolResult("c", (Audio("AA", "wav"),))])
def test_sounds_are_refused(block):
    conversation = Conversation(turns=(Turn(Role.USER, (block,)),))
    assert unsupported(conversation) is not None
    with pytest.raises(BadRequest):
        encode_request(conversation, model="m", quirks=PLAIN, stream=False)
