"""A JSON schema reaches every endpoint in a form that it accepts; what is not enforced stands in `x-octoroute-warning`."""

from __future__ import annotations

import json

import pytest

from tests.support.fake import whole
from tests.support.kinds import CLAUDE, by_kind
from tests.support.live_gateway import endpoint

CLAUDE_45 = {"provider": "anthropic", "model": "claude-haiku-4-5"}
PLACE = {"type": "object", "properties": {"city": {"type": "string"}, "lat": {"type": "number", "minimum": -90, "maximum": 90}}}
OPEN = {
    "type": "object",
    "properties": {"places": {"type": "array", "items": {"$ref": "#/$defs/Place"}}},
    "$defs": {"Place": PLACE},
}
MAP = {"type": "object", "properties": {"counts": {"type": "object", "additionalProperties": {"type": "integer"}}}}
CLOSED = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def wish(path, schema, **strict):
    """The request for an answer of this schema, as a client of `path` says it."""
    if path == "/v1/responses":
        return {"input": "hi", "text": {"format": {"type": "json_schema", "name": "r", "schema": schema, **strict}}}
    messages = [{"role": "user", "content": "hi"}]
    if path == "/v1/messages":
        return {"max_tokens": 99, "messages": messages, "output_config": {"format": {"type": "json_schema", "schema": schema}}}
    named = {"type": "json_schema", "json_schema": {"name": "r", "schema": schema, **strict}}
    return {"messages": messages, "response_format": named}


async def sent(make_gateway, fake, path, body, **settings):
    fake.always(by_kind)
    gateway = await make_gateway([endpoint(fake, **settings)])
    answer = await gateway.ask({"model": "auto", **body}, path)
    assert answer.status_code == 200, answer.text
    return fake.requests[-1].json, answer.headers.get("x-octoroute-warning", "")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
async def test_o01_every_open_object_is_closed_for_claude(make_gateway, fake, path):
    asked, warning = await sent(make_gateway, fake, path, wish(path, OPEN), **CLAUDE_45)
    schema = asked["output_config"]["format"]["schema"]
    assert schema["additionalProperties"] is schema["$defs"]["Place"]["additionalProperties"] is False
    assert "additionalProperties: false" in warning


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
async def test_o02_ranges_become_words_for_claude(make_gateway, fake, path):
    asked, warning = await sent(make_gateway, fake, path, wish(path, OPEN, strict=True), **CLAUDE_45)
    place = asked["output_config"]["format"]["schema"]["$defs"]["Place"]
    assert place["properties"]["lat"] == {"type": "number", "description": "minimum: -90; maximum: 90"}
    assert "maximum, minimum not enforced" in warning


async def test_keys_that_the_client_leaves_free_are_asked_for_by_a_tool(make_gateway, fake):
    path = "/v1/chat/completions"
    used = [{"type": "tool_use", "id": "t", "name": "structured_answer", "input": {"counts": {"a": 1}}}]
    fake.always(whole({**CLAUDE, "content": used, "stop_reason": "tool_use"}))
    gateway = await make_gateway([endpoint(fake, **CLAUDE_45)])
    answer = await gateway.ask({"model": "auto", **wish(path, MAP)}, path)
    asked = fake.requests[-1].json
    assert "output_config" not in asked
    assert asked["tools"][0]["input_schema"]["properties"] == MAP["properties"]
    assert "free keys" in answer.headers["x-octoroute-warning"]
    choice = answer.json()["choices"][0]
    assert json.loads(choice["message"]["content"]) == {"counts": {"a": 1}}
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize("wire", ["chat", "responses"])
@pytest.mark.parametrize(
    ("schema", "strict", "warned"),
    [
        (CLOSED, True, ""),
        ({**CLOSED, "properties": {"n": {"oneOf": [{"type": "integer"}, {"type": "null"}]}}}, True, ""),
        (
            {**CLOSED, "properties": {"n": {"type": "array", "items": CLOSED, "uniqueItems": True}}},
            True,
            "uniqueItems not enforced",
        ),
        ({**CLOSED, "required": []}, False, "optional properties"),
        (MAP, False, "strict dropped"),
    ],
)
async def test_openai_enforces_what_its_strict_mode_holds(make_gateway, fake, wire, schema, strict, warned):
    """A client of Messages means its format strictly."""
    if wire == "responses":
        settings = {"wire": wire}
        done = {"id": "r", "object": "response", "status": "completed", "output": [], "model": "m", "created_at": 1}
        text = {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "{}", "annotations": []}],
        }
        fake.always(whole({**done, "output": [text]}))
        gateway = await make_gateway([endpoint(fake, quirks=["openai"], **settings)])
        answer = await gateway.ask({"model": "auto", **wish("/v1/messages", schema)}, "/v1/messages")
        asked, warning = fake.requests[-1].json, answer.headers.get("x-octoroute-warning", "")
        named = asked["text"]["format"]
    else:
        asked, warning = await sent(make_gateway, fake, "/v1/messages", wish("/v1/messages", schema), quirks=["openai"])
        named = asked["response_format"]["json_schema"]
    assert named["strict"] is strict
    assert warned in warning
    assert not (strict and ("oneOf" in json.dumps(named) or 'uniqueItems":' in json.dumps(named["schema"])))
    if not strict:
        assert named["schema"] == schema


@pytest.mark.parametrize("quirks", [[], ["vllm"], ["llamacpp"], ["ollama"], ["openrouter"], ["mistral"]])
async def test_servers_that_take_schemas_get_them(make_gateway, fake, quirks):
    asked, _ = await sent(make_gateway, fake, "/v1/messages", wish("/v1/messages", CLOSED), quirks=quirks)
    assert asked["response_format"]["json_schema"]["schema"] == CLOSED


@pytest.mark.parametrize("quirks", [["deepseek"], ["glm"], ["qwen"]])
async def test_servers_that_take_json_only_are_told_the_schema(make_gateway, fake, quirks):
    asked, _ = await sent(make_gateway, fake, "/v1/messages", wish("/v1/messages", CLOSED), quirks=quirks)
    assert asked["response_format"] == {"type": "json_object"}
    assert '"additionalProperties":false' in asked["messages"][0]["content"]


async def test_strict_tools_for_claude_are_fitted_or_named(make_gateway, fake):
    tools = [
        {"type": "function", "function": {"name": name, "strict": True, "parameters": schema}}
        for name, schema in (("place", {**PLACE, "additionalProperties": False}), ("count", MAP))
    ]
    body = {"messages": [{"role": "user", "content": "hi"}], "tools": tools}
    asked, warning = await sent(make_gateway, fake, "/v1/chat/completions", body, **CLAUDE_45)
    assert [tool.get("strict", False) for tool in asked["tools"]] == [True, False]
    assert "maximum" not in asked["tools"][0]["input_schema"]["properties"]["lat"]
    assert "tools (count): strict dropped" in warning
