"""A generateContent request, for each generation of models."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.gemini.request_encoder import encode_request, unsupported
from octoroute.dialects.openai.request_decoder import decode_request as read_openai
from octoroute.dialects.request.json_schema import adapt_for_gemini_openapi
from octoroute.dialects.request.schema_references import BYTES_PER_UNIT, MAX_ADDED_PER_REQUEST, SchemaBudget
from octoroute.errors import BadRequest
from tests.support.dialects.gemini import SCHEMA, USER, ask, called


def test_p86_a_result_gets_the_name_of_its_call():
    body = ask(
        USER,
        called(("c1", "read"), ("c2", "write")),
        {"role": "tool", "tool_call_id": "c2", "content": "[tool error] no"},
        {"role": "tool", "tool_call_id": "c1", "content": "yes"},
    )
    assert body["contents"][2] == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "c1", "name": "read", "response": {"output": "yes"}}},
            {"functionResponse": {"id": "c2", "name": "write", "response": {"error": "no"}}},
        ],
    }


def test_p87_old_models_get_the_subset():
    tool = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
    (declared,) = ask(USER, tools=[tool], model="gemini-1.5-pro")["tools"][0]["functionDeclarations"]
    assert declared["parameters"] == adapt_for_gemini_openapi(SCHEMA, SchemaBudget())
    (declared,) = ask(USER, tools=[tool])["tools"][0]["functionDeclarations"]
    assert "parametersJsonSchema" in declared and "parameters" not in declared


def test_a_request():
    body = ask(
        {"role": "system", "content": "sys"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}],
        },
        {"role": "assistant", "content": "ok"},
        {"role": "assistant", "content": "more"},
        {"role": "user", "content": "go"},
        max_tokens=9,
        temperature=1.5,
        top_p=0.5,
        stop=list("abcdefg"),
        seed=3,
        tools=[{"type": "function", "function": {"name": "f"}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        reasoning_effort="low",
    )
    assert body["systemInstruction"] == {"parts": [{"text": "sys"}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "look"}, {"inlineData": {"mimeType": "image/png", "data": "AA"}}]},
        {"role": "model", "parts": [{"text": "ok"}, {"text": "more"}]},
        {"role": "user", "parts": [{"text": "go"}]},
    ]
    assert body["generationConfig"] == {
        "maxOutputTokens": 9,
        "temperature": 1.5,
        "topP": 0.5,
        "stopSequences": list("abcde"),
        "seed": 3,
        "thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": True},
    }
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}
    assert "stream" not in body and "model" not in body


@pytest.mark.parametrize(
    ("effort", "model", "config"),
    [
        ("none", "gemini-2.5-flash", {"thinkingBudget": 0}),
        ("none", "gemini-2.5-pro", {"thinkingBudget": 128}),
        ("high", "gemini-3-pro", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("none", "gemini-3-flash", {"thinkingLevel": "MINIMAL"}),
        ("none", "gemini-3-pro", {"thinkingLevel": "LOW"}),
        ("max", "gemini-3-flash", {"thinkingLevel": "HIGH", "includeThoughts": True}),
    ],
)
def test_effort(effort, model, config):
    assert ask(USER, reasoning_effort=effort, model=model)["generationConfig"]["thinkingConfig"] == config


def test_structured_answers():
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "o", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
    }
    config = ask(USER, response_format=wanted)["generationConfig"]
    assert config == {"responseMimeType": "application/json", "responseJsonSchema": wanted["json_schema"]["schema"]}
    tool = {"type": "function", "function": {"name": "f"}}
    with_tools = ask(USER, response_format=wanted, tools=[tool])
    assert "generationConfig" not in with_tools and "JSON" in with_tools["systemInstruction"]["parts"][-1]["text"]
    assert "responseMimeType" in ask(USER, response_format=wanted, tools=[tool], model="gemini-3-pro")["generationConfig"]


def test_what_google_cannot_fetch():
    def of(url):
        return read_openai(
            json.dumps({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}).encode()
        )

    assert unsupported(of("https://example.org/x.png"), "gemini-2.5-pro")
    assert unsupported(of("https://generativelanguage.googleapis.com/v1beta/files/x"), "gemini-2.5-pro") is None
    with pytest.raises(BadRequest):
        encode_request(of("https://example.org/x.png"), model="gemini-3")


@pytest.mark.parametrize("format", [{"type": "x"}, [], 1, None])
def test_a_format_of_another_shape_is_no_format(format):
    assert adapt_for_gemini_openapi(
        {"type": "object", "properties": {"a": {"type": "string", "format": format}}}, SchemaBudget()
    ) == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
    }


def test_allowed_tools_of_an_older_model_share_one_budget_of_references():
    inner = {f"p{number}": {"$ref": "#/$defs/node"} for number in range(20)}
    schema = {"type": "object", "properties": inner, "$defs": {"node": {"type": "object", "properties": inner}}}
    tools = [{"type": "function", "function": {"name": f"f{n}", "parameters": {**schema, "title": f"{n}"}}} for n in range(40)]
    names = [{"type": "function", "function": {"name": f"f{n}"}} for n in range(39)]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": names}}
    body = ask(USER, tools=tools, tool_choice=choice, model="gemini-1.5-pro")
    assert len(body["tools"][0]["functionDeclarations"]) == 39
    assert len(json.dumps(body)) < 3 * len(json.dumps(tools)) + MAX_ADDED_PER_REQUEST * BYTES_PER_UNIT


def test_an_answer_may_be_an_array_and_arguments_are_an_object():
    listed = {"type": "array", "items": {"type": "string"}}
    tool = {"type": "function", "function": {"name": "f", "parameters": listed}}
    body = ask(USER, tools=[tool], model="gemini-1.5-pro")
    assert "parameters" not in body["tools"][0]["functionDeclarations"][0]
    asked = {"type": "json_schema", "json_schema": {"name": "n", "schema": listed}}
    assert ask(USER, response_format=asked, model="gemini-1.5-pro")["generationConfig"]["responseSchema"] == listed
