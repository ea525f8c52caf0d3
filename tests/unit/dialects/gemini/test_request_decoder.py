"""A client's generateContent request as a Conversation."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.gemini.request_decoder import decode_request
from octoroute.dialects.gemini.request_encoder import encode_request
from octoroute.dialects.request.message_order import normalize_turns
from octoroute.domain.conversation import (
    AnswerFormat,
    Conversation,
    Role,
    Text,
    ThinkingWish,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from octoroute.errors import BadRequest

CONTENTS = [{"role": "user", "parts": [{"text": "hello"}]}]


def decoded(**fields):
    return decode_request(json.dumps({"contents": CONTENTS, **fields}).encode())


def configured(**config):
    return decoded(generationConfig=config)


def test_plain_text_and_sampling():
    read = decoded(
        system_instruction={"parts": [{"text": "be brief"}, {"text": " "}]},
        generationConfig={
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40.0,
            "maxOutputTokens": 100,
            "stopSequences": ["END"],
            "seed": 7,
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "candidateCount": 1,
            "responseModalities": ["TEXT"],
        },
    )
    assert read == Conversation(
        system=(Text("be brief"),),
        turns=(Turn(Role.USER, (Text("hello"),)),),
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_tokens=100,
        stop=("END",),
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
    )


def test_a_system_instruction_as_text():
    assert decoded(systemInstruction="be brief").system == (Text("be brief"),)


def test_tools_of_both_kinds_of_schema():
    read = decoded(
        tools=[
            {"functionDeclarations": [{"name": "a", "description": "A", "parameters": {"type": "OBJECT"}}, {"name": "b"}]},
            {"function_declarations": [{"name": "c", "parameters_json_schema": {"type": "object", "additionalProperties": False}}]},
            {"googleSearch": {}},
        ]
    )
    assert read.tools == (
        Tool(name="a", description="A", schema={"type": "object"}),
        Tool(name="b"),
        Tool(name="c", schema={"type": "object", "additionalProperties": False}),
    )
    assert read.ignored == ("tools[2].googleSearch (runs at Google only)",)


@pytest.mark.parametrize(
    ("calling", "choice"),
    [
        ({"mode": "AUTO"}, ToolChoice(mode="auto")),
        ({"mode": "NONE"}, ToolChoice(mode="none")),
        ({"mode": "ANY"}, ToolChoice(mode="any")),
        ({"mode": "any", "allowedFunctionNames": ["f"]}, ToolChoice(mode="tool", name="f")),
        ({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}, ToolChoice(mode="any", allowed=("f", "g"))),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, ToolChoice(mode="auto", allowed=("f",))),
        ({"mode": "MODE_UNSPECIFIED"}, None),
        ({}, None),
    ],
)
def test_tool_choice(calling, choice):
    tools = [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]
    assert decoded(tools=tools, toolConfig={"functionCallingConfig": calling}).tool_choice == choice
    assert decoded(toolConfig={"functionCallingConfig": calling}).tool_choice is None


@pytest.mark.parametrize(
    ("thinking", "wish"),
    [
        ({"includeThoughts": True}, ThinkingWish()),
        ({"thinkingBudget": 0}, ThinkingWish(enabled=False, visible=False)),
        ({"thinkingBudget": -1, "includeThoughts": True}, ThinkingWish(enabled=True, adaptive=True)),
        ({"thinkingBudget": 2048}, ThinkingWish(enabled=True, budget_tokens=2048, visible=False)),
        ({"thinkingLevel": "HIGH", "includeThoughts": True}, ThinkingWish(effort="high")),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, ThinkingWish(visible=False)),
    ],
)
def test_thinking(thinking, wish):
    assert configured(thinkingConfig=thinking).thinking == wish


def test_structured_output():
    openapi = {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}
    plain = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert configured(responseMimeType="application/json").format == AnswerFormat()
    assert configured(responseMimeType="application/json", responseSchema=openapi).format == AnswerFormat(schema=plain)
    assert configured(response_mime_type="application/json", response_json_schema=plain).format == AnswerFormat(schema=plain)
    assert configured(responseMimeType="application/json", responseJsonSchema=openapi).format == AnswerFormat(schema=plain)
    assert configured(responseMimeType="text/plain").format is None


def test_what_has_no_counterpart_is_told():
    read = decoded(
        safetySettings=[{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
        cachedContent="cachedContents/1",
        labels={},
        generationConfig={"speechConfig": {"voice": 1}, "responseModalities": ["IMAGE"], "audioTimestamp": None},
    )
    assert set(read.ignored) == {
        "safetySettings",
        "cachedContent",
        "generationConfig.speechConfig",
        "generationConfig.responseModalities",
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"contents": "hello"}, "contents"),
        ({"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"functionCall": {"args": {}}}]}]}, "contents[0].parts[0].functionCall.name"),
        ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"generationConfig": {"candidateCount": 2}}, "generationConfig.candidateCount"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        ({"tools": [{"functionDeclarations": {"name": "f"}}]}, "tools[0].functionDeclarations"),
        ({"systemInstruction": {"parts": [{"inlineData": {}}]}}, "systemInstruction.parts[0]"),
        (
            {
                "tools": [{"functionDeclarations": [{"name": "f"}]}],
                "toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}},
            },
            "toolConfig.functionCallingConfig.mode",
        ),
    ],
)
def test_a_wrong_field_is_named(fields, param):
    with pytest.raises(BadRequest) as error:
        decoded(**fields)
    assert error.value.param == param


def test_nesting_is_bounded():
    deep = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
    with pytest.raises(BadRequest, match="nested"):
        decode_request(b'{"contents":[],"tools":[{"functionDeclarations":[{"name":"f","parameters":' + deep + b"}]}]}")
    with pytest.raises(BadRequest, match="nested"):
        decode_request(b'{"system_instruction":"x","contents":' + deep + b"}")


# the law: what Gemini's own endpoints are sent reads back as what it was

words = st.text(min_size=1, max_size=20).filter(str.strip)
names = st.from_regex(r"\A[a-z_]{1,12}\Z")
arguments = st.dictionaries(words, st.integers(-5, 5) | words | st.lists(st.booleans(), max_size=3), max_size=3)


@st.composite
def histories(draw):
    turns = [Turn(Role.USER, (Text(draw(words)),))]
    for number in range(draw(st.integers(0, 4))):
        calls = [
            ToolCall(f"id-{number}-{place}", draw(names), json.dumps(draw(arguments), separators=(",", ":")))
            for place in range(draw(st.integers(0, 3)))
        ]
        said = (Text(draw(words)),) if draw(st.booleans()) or not calls else ()
        turns.append(Turn(Role.ASSISTANT, (*said, *calls)))
        results = [ToolResult(call.id, (Text(draw(words)),), draw(st.booleans()), call.name) for call in calls]
        asked = (Text(draw(words)),) if draw(st.booleans()) or not results else ()
        turns.append(Turn(Role.USER, (*results, *asked)))
    return tuple(turns)


@given(histories(), st.sampled_from(["gemini-2.5-pro", "gemini-3-pro"]))
def test_a_history_comes_back_from_googles_format(turns, model):
    ordered = normalize_turns(Conversation(system=(Text("be brief"),), turns=turns))
    read = decode_request(encode_request(ordered, model=model))
    assert (read.system, read.turns) == (ordered.system, ordered.turns)
    assert read.ignored == ()


@given(histories())
def test_a_history_without_ids_is_paired_by_names_and_order(turns):
    ordered = normalize_turns(Conversation(turns=turns))
    body = json.loads(encode_request(ordered, model="gemini-2.5-pro"))
    for content in body["contents"]:
        for part in content["parts"]:
            for name in ("functionCall", "functionResponse"):
                part.get(name, {}).pop("id", None)
    read = decode_request(json.dumps(body).encode())

    def pairs(conversation):
        blocks = [block for turn in conversation.turns for block in turn.content]
        calls = {block.id: block for block in blocks if isinstance(block, ToolCall)}
        results = [block for block in blocks if isinstance(block, ToolResult)]
        assert len(calls) == len({result.call_id for result in results})
        return sorted((calls[result.call_id].name, result.content[0].text, result.is_error) for result in results)

    assert pairs(read) == pairs(ordered)
