"""A client's /api/chat or /api/generate request as a Conversation."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.ollama.request_decoder import decode_request
from octoroute.dialects.request.message_order import normalize_turns
from octoroute.domain.conversation import (
    AnswerFormat,
    Conversation,
    Image,
    Role,
    Text,
    Thinking,
    ThinkingWish,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from octoroute.errors import BadRequest

PNG = "iVBORw0KGgoAAAA"


def chat(**fields):
    return decode_request(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}).encode())


def generate(**fields):
    return decode_request(json.dumps({"model": "m", "prompt": "hi", **fields}).encode())


def test_options():
    read = chat(
        options={
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 40,
            "num_predict": 10,
            "stop": "END",
            "seed": 3,
            "presence_penalty": 0.1,
            "frequency_penalty": 0.2,
            "num_ctx": 4096,
            "num_gpu": 1,
            "repeat_penalty": 1.1,
            "mirostat": 0,
        },
        keep_alive="5m",
        truncate=True,
    )
    assert read == Conversation(
        turns=(Turn(Role.USER, (Text("hi"),)),),
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_tokens=10,
        stop=("END",),
        seed=3,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        ignored=("options.repeat_penalty",),
    )
    assert chat(options={"num_predict": -1, "stop": ["a", "b"]}).max_tokens is None


def test_a_history_with_tools_images_and_thinking():
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "look", "images": [PNG, "data:image/jpeg;base64,AAAA"]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "hm",
            "tool_calls": [
                {"function": {"name": "f", "arguments": {"a": 1}}},
                {"id": "own", "function": {"name": "g", "arguments": '{"b":2}'}},
            ],
        },
        {"role": "tool", "tool_name": "f", "content": "1"},
        {"role": "tool", "tool_call_id": "own", "name": "g", "content": "[tool error] no", "images": [PNG]},
    ]
    image = Image(media_type="image/png", data=PNG)
    read = chat(messages=messages)
    assert read.system == (Text("be brief"),)
    assert read.turns == (
        Turn(Role.USER, (Text("look"), image, Image(media_type="image/jpeg", data="AAAA"))),
        Turn(Role.ASSISTANT, (Thinking("hm"), ToolCall("call_1", "f", '{"a":1}'), ToolCall("own", "g", '{"b":2}'))),
        Turn(Role.USER, (ToolResult("call_1", (Text("1"),), name="f"),)),
        Turn(Role.USER, (ToolResult("own", (Text("no"), image), is_error=True, name="g"),)),
    )


def test_a_prompt_is_a_conversation():
    read = generate(system="be brief", images=[PNG], template="{{ .Prompt }}")
    assert read.system == (Text("be brief"),)
    assert read.turns == (Turn(Role.USER, (Text("hi"), Image(media_type="image/png", data=PNG))),)
    assert read.ignored == ("template",)


def test_tools():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    offered = [{"type": "function", "function": {"name": "f", "description": "F", "parameters": schema}}]
    assert chat(tools=offered).tools == (Tool(name="f", description="F", schema=schema),)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("json", AnswerFormat()), ({"type": "object"}, AnswerFormat(schema={"type": "object"})), ("", None), (None, None)],
)
def test_formats(wanted, found):
    assert chat(format=wanted).format == found


@pytest.mark.parametrize(
    ("think", "wish"),
    [
        (True, ThinkingWish(enabled=True)),
        (False, ThinkingWish(enabled=False, visible=False)),
        ("high", ThinkingWish(enabled=True, effort="high")),
        ("", None),
        (None, None),
    ],
)
def test_thinking(think, wish):
    assert chat(think=think).thinking == wish


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "images": ["zzzz"]}]}, "messages[0].images[0]"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].function.name"),
        ({"tools": [{"type": "function"}]}, "tools[0].function.name"),
        ({"format": "yaml"}, "format"),
        ({"think": "a lot"}, "think"),
        ({"options": {"temperature": "hot"}}, "options.temperature"),
        ({"raw": True}, "raw"),
        ({"suffix": "x"}, "suffix"),
        ({"context": [1, 2]}, "context"),
        ({"messages": None}, "messages"),
    ],
)
def test_a_wrong_field_is_named(fields, param):
    with pytest.raises(BadRequest) as error:
        chat(**fields)
    assert error.value.param == param


words = st.text(min_size=1, max_size=20).filter(str.strip)
arguments = st.dictionaries(words, st.integers(-5, 5) | words, max_size=3)


@given(
    st.lists(st.tuples(words, st.lists(st.tuples(st.sampled_from("fgh"), arguments, words), max_size=3)), min_size=1, max_size=4)
)
def test_a_generated_history_keeps_every_word_and_pairs_every_call(rounds):
    messages = []
    for text, calls in rounds:
        messages.append({"role": "user", "content": text})
        made = [{"function": {"name": name, "arguments": args}} for name, args, _ in calls]
        messages.append({"role": "assistant", "content": f"so {text}", "tool_calls": made})
        messages += [{"role": "tool", "tool_name": name, "content": result} for name, _, result in calls]
    ordered = normalize_turns(chat(messages=messages))
    blocks = [block for turn in ordered.turns for block in turn.content]
    results = {block.call_id: block for block in blocks if isinstance(block, ToolResult)}
    told = [
        (block.name, json.loads(block.arguments), results[block.id].content[0].text)
        for block in blocks
        if isinstance(block, ToolCall)
    ]
    key = json.dumps
    assert sorted(map(key, told)) == sorted(key(call) for _, calls in rounds for call in calls)
    said = [block.text for block in blocks if isinstance(block, Text)]
    assert sorted(said) == sorted(word for text, _ in rounds for word in (text, f"so {text}"))
