"""P-cases of Gemini endpoints, and what else is Google's own."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.request_decoder import decode_request as read_anthropic
from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.gemini.outbound import GeminiOutbound
from octoroute.dialects.gemini.request_encoder import encode_request, unsupported
from octoroute.dialects.gemini.signatures import MAX_AGE_S, MAX_ENTRIES, Signatures
from octoroute.dialects.gemini.stream_decoder import GeminiDecoder
from octoroute.dialects.openai.request_decoder import decode_request as read_openai
from octoroute.dialects.openai.stream_encoder import OpenAIEncoder
from octoroute.dialects.request.json_schema import adapt_for_gemini_json, adapt_for_gemini_openapi
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import Failed
from octoroute.errors import BadRequest, BadUpstreamResponse, Throttled
from tests.support.anthropic_stream import check
from tests.support.chunks import numbered, openai_message, sse


def parts(*given, finish=None, **more):
    candidate = {"content": {"role": "model", "parts": list(given)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return sse({"candidates": [candidate], **more})


def call(name, args=None, **more):
    return {"functionCall": {"name": name, **({} if args is None else {"args": args})}, **more}


def events_of(*frames):
    decoder = GeminiDecoder(new_id=numbered())
    return [event for frame in frames for event in decoder.feed(frame)] + list(decoder.end())


def to_anthropic(*frames):
    return check(AnthropicEncoder(model="auto", new_id=numbered()).encode(events_of(*frames)))


def to_openai(*frames):
    return openai_message(
        OpenAIEncoder(model="auto", created_s=1, include_usage=True, new_id=numbered()).encode(events_of(*frames))
    )


def ask(*messages, model="gemini-2.5-flash", notes=None, **fields):
    conversation = read_openai(json.dumps({"messages": list(messages), **fields}).encode())
    return json.loads(encode_request(conversation, model=model, notes=notes))


USER = {"role": "user", "content": "hi"}


def called(*calls):
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}} for id, name in calls],
    }


def test_p05_p89_stop_with_calls():
    message = to_anthropic(parts(call("f", {"a": 1}), finish="STOP"))
    assert message["stop_reason"] == "tool_use" and message["content"][0]["input"] == {"a": 1}
    assert to_openai(parts(call("f", {"a": 1}), finish="STOP"))["finish"] == "tool_calls"


@pytest.mark.parametrize(
    "frame",
    [
        sse({"candidates": [{"finishReason": "SAFETY"}]}),
        sse({"candidates": [{"content": {}, "finishReason": "IMAGE_SAFETY"}]}),
        sse({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}}),
    ],
)
def test_p89_refusals(frame):
    message = to_anthropic(frame)
    assert (message["stop_reason"], message["content"]) == ("refusal", [])
    assert to_openai(frame)["finish"] == "content_filter"


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
def test_p89_a_model_that_stumbled_over_its_tools(word):
    assert isinstance(events_of(parts({"text": "x"}, finish=word))[-1], Failed)
    with pytest.raises(BadUpstreamResponse):
        GeminiDecoder().decode_body(json.dumps({"candidates": [{"finishReason": word}]}).encode())


def test_p88_three_calls_one_a_chunk():
    message = to_openai(parts(call("f", {"n": 1})), parts(call("f", {"n": 2})), parts(call("f", {"n": 3}), finish="STOP"))
    assert [json.loads(one["arguments"])["n"] for one in message["tool_calls"]] == [1, 2, 3]
    assert len({one["id"] for one in message["tool_calls"]}) == 3


def test_p90_thoughts_are_part_of_the_completion():
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 300,
        "toolUsePromptTokenCount": 5,
    }
    counted = to_openai(parts({"text": "x"}, finish="STOP", usageMetadata=usage))["usage"]
    assert (counted["prompt_tokens"], counted["completion_tokens"]) == (105, 320)
    assert (
        counted["completion_tokens_details"] == {"reasoning_tokens": 300}
        and counted["prompt_tokens_details"]["cached_tokens"] == 40
    )


def test_usage_is_cumulative_and_the_last_counts():
    frames = [parts({"text": "x"}, usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": n}) for n in (1, 2)]
    assert (
        to_openai(*frames, parts(finish="STOP", usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 9}))["usage"][
            "completion_tokens"
        ]
        == 9
    )


def test_thoughts_are_thinking():
    message = to_anthropic(parts({"text": "hm", "thought": True}), parts({"text": "Hi", "thoughtSignature": "s"}, finish="STOP"))
    assert [block["type"] for block in message["content"]] == ["thinking", "text"]


def test_p85_a_signature_travels_with_openai_clients():
    raw = OpenAIEncoder(model="m", created_s=1, new_id=numbered()).encode(
        events_of(parts(call("f", {}, thoughtSignature="SIG"), finish="STOP"))
    )
    assert b'"extra_content":{"google":{"thought_signature":"SIG"}}' in raw
    message = called(("c", "f"))
    message["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "SIG"}}
    body = ask(USER, message, {"role": "tool", "tool_call_id": "c", "content": "r"}, model="gemini-3-pro")
    assert body["contents"][1]["parts"][0]["thoughtSignature"] == "SIG"


ENDPOINT = Endpoint(id="g", name="g", tier=Tier.DEEP, kind="gemini", provider="gemini", base_url="http://x", model="gemini-3-pro")


def test_p85_a_signature_is_kept_for_clients_that_drop_it():
    outbound = GeminiOutbound(clock=lambda: 0.0)
    question = {"messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "f", "input_schema": {}}]}
    conversation = read_anthropic(json.dumps(question).encode())
    events = outbound.decoder(conversation, ENDPOINT).feed(parts(call("f", {}, thoughtSignature="SIG")))
    id = next(event.id for event in events if hasattr(event, "id") and event.id)
    question["messages"] += [
        {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "r"}]},
    ]
    notes = []
    body = json.loads(outbound.encode_request(read_anthropic(json.dumps(question).encode()), ENDPOINT, stream=True, notes=notes))
    assert body["contents"][1]["parts"][0]["thoughtSignature"] == "SIG" and notes == []


def test_p85_a_lost_signature_has_a_last_resort():
    notes = []
    history = (
        USER,
        called(("c", "f"), ("d", "g")),
        {"role": "tool", "tool_call_id": "c", "content": "r"},
        {"role": "tool", "tool_call_id": "d", "content": "r"},
    )
    first, second = ask(*history, model="gemini-3-pro", notes=notes)["contents"][1]["parts"]
    assert first["thoughtSignature"] == "skip_thought_signature_validator" and "thoughtSignature" not in second and notes
    assert "thoughtSignature" not in ask(*history, model="gemini-2.5-pro")["contents"][1]["parts"][0]


def test_p85_signatures_are_forgotten_and_bounded():
    now = [0.0]
    kept = Signatures(lambda: now[0])
    kept.keep("a", "s")
    now[0] = MAX_AGE_S - 1
    assert kept.find("a") == "s"
    now[0] = MAX_AGE_S
    assert kept.find("a") is None
    for number in range(MAX_ENTRIES + 10):
        kept.keep(str(number), "s")
    assert kept.find("0") is None and kept.find("a") is None and kept.find(str(MAX_ENTRIES)) == "s"
    kept.keep("huge", "x" * 100_000)
    assert kept.find("huge") is None


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


SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "$id": "x",
    "type": "object",
    "additionalProperties": False,
    "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number", "exclusiveMinimum": 0}}}, "Tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}}},
    "properties": {
        "type": {"type": ["string", "null"], "examples": ["a"]},
        "const": {"const": "only"},
        "format": {"type": "string", "format": "uuid"},
        "at": {"$ref": "#/$defs/Point", "description": "where"},
        "tree": {"$ref": "#/$defs/Tree"},
        "either": {"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
        "all": {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "string"}}, "required": ["b"]}]},
        "list": {"type": "array"},
        "missing": {"$ref": "#/nowhere"},
        "level": {"enum": [1, 2]},
    },
    "required": ["type", "absent"],
}  # fmt: skip


def keywords(schema):
    for key, value in schema.items():
        if key == "properties":
            for inner in value.values():
                yield from keywords(inner)
            continue
        yield key
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from keywords(inner)


def test_p87_the_openapi_subset():
    cleaned = adapt_for_gemini_openapi(SCHEMA)
    allowed = {"type", "description", "nullable", "enum", "format", "items", "required", "anyOf", "minimum"}
    assert set(keywords(cleaned)) <= allowed
    properties = cleaned["properties"]
    assert set(properties) == set(SCHEMA["properties"])
    assert properties["type"] == {"type": "string", "nullable": True}
    assert properties["const"] == {"type": "string", "enum": ["only"]}
    assert properties["format"] == {"type": "string"}
    assert properties["at"] == {"type": "object", "description": "where", "properties": {"x": {"type": "number"}}}
    assert properties["either"] == {"nullable": True, "anyOf": [{"type": "string"}, {"type": "integer"}]}
    assert set(properties["all"]["properties"]) == {"a", "b"} and properties["all"]["required"] == ["b"]
    assert properties["list"]["items"] and properties["missing"] == {"type": "object"}
    assert cleaned["required"] == ["type"]


def test_p87_the_nearly_standard_schema():
    cleaned = adapt_for_gemini_json(SCHEMA)
    assert "$schema" not in cleaned and "$id" not in cleaned
    assert set(cleaned["properties"]) == set(SCHEMA["properties"])
    assert cleaned["properties"]["const"] == {"enum": ["only"]} and cleaned["properties"]["type"] == {"type": ["string", "null"]}
    assert SCHEMA["properties"]["const"] == {"const": "only"}, "the client's own is never changed"


def test_p87_old_models_get_the_subset():
    tool = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
    (declared,) = ask(USER, tools=[tool], model="gemini-1.5-pro")["tools"][0]["functionDeclarations"]
    assert declared["parameters"] == adapt_for_gemini_openapi(SCHEMA)
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

    assert unsupported(of("https://example.org/x.png"))
    assert unsupported(of("https://generativelanguage.googleapis.com/v1beta/files/x")) is None
    with pytest.raises(BadRequest):
        encode_request(of("https://example.org/x.png"), model="gemini-3")


def test_errors():
    outbound = GeminiOutbound(clock=lambda: 0.0)
    body = b'[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"34s"}]}}]'
    error = outbound.read_error(429, {}, body)
    assert isinstance(error, Throttled) and error.retry_after_s == 34
    with pytest.raises(Throttled):
        outbound.decode_response(body)
    (failed,) = outbound.decoder().feed(sse({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}))
    assert failed.kind == "overloaded_error"
    long = outbound.read_error(
        400,
        {},
        b'{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."}}',
    )
    assert long.code == "context_length_exceeded"


def test_whole_answers_and_arrays_of_chunks():
    whole = {
        "candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
        "responseId": "r",
        "modelVersion": "g",
    }
    events = GeminiDecoder().decode_body(json.dumps(whole).encode())
    assert [type(event).__name__ for event in events] == ["Started", "TextDelta", "Finished"]
    array = [{"candidates": [{"content": {"parts": [{"text": text}]}}]} for text in "ab"] + [
        {"candidates": [{"finishReason": "STOP"}]}
    ]
    assert [type(event).__name__ for event in GeminiDecoder().decode_body(json.dumps(array).encode())] == [
        "Started",
        "TextDelta",
        "TextDelta",
        "Finished",
    ]
    for nonsense in (b"{}", b"[]", b"<html>", b'{"candidates":[]}', b'{"candidates":[{"content":{"parts":[{"text":"cut"}]}}]}'):
        with pytest.raises(BadUpstreamResponse):
            GeminiDecoder().decode_body(nonsense)


def test_a_stream_that_stops_in_the_middle_has_no_end():
    assert list(GeminiDecoder().end()) == []
    decoder = GeminiDecoder()
    decoder.feed(parts({"text": "cut"}))
    assert list(decoder.end()) == []


def test_p66_tool_names_come_back():
    outbound = GeminiOutbound(clock=lambda: 0.0)
    conversation = read_anthropic(json.dumps({"messages": [], "tools": [{"name": "a.b c", "input_schema": {}}]}).encode())
    sent = json.loads(
        encode_request(
            read_anthropic(json.dumps({"messages": [{"role": "user", "content": "x"}], "tools": [{"name": "a.b c"}]}).encode()),
            model="gemini-3",
        )
    )
    name = sent["tools"][0]["functionDeclarations"][0]["name"]
    events = outbound.decoder(conversation, ENDPOINT).feed(parts(call(name, {})))
    assert events[1].name == "a.b c" != name


# --- found by fuzzing


@pytest.mark.parametrize("format", [{"type": "x"}, [], 1, None])
def test_a_format_of_another_shape_is_no_format(format):
    assert adapt_for_gemini_openapi({"type": "object", "properties": {"a": {"type": "string", "format": format}}}) == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
    }


@pytest.mark.parametrize("times", [3, 20, 300])
def test_a_schema_that_names_itself_many_times_stays_small(times):
    """Six references deep, three hundred of them in each, would be more than there is memory."""
    node = {"type": "object", "properties": {f"p{number}": {"$ref": "#/$defs/node"} for number in range(times)}}
    schema = {"type": "object", "properties": {"root": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}
    told = adapt_for_gemini_openapi(schema)
    assert len(json.dumps(told)) < 200_000
    assert len(told["properties"]["root"]["properties"]) == times


def test_all_of_many_is_all_of_them():
    names = [f"p{number}" for number in range(20_000)]
    branches = [{"properties": {name: {"type": "string"}}, "required": [name], "title": name} for name in names]
    told = adapt_for_gemini_openapi(
        {"allOf": [*branches, {"properties": {"own": {"type": "string"}}}], "properties": {"own": {"type": "integer"}}}
    )
    assert set(told["properties"]) == {*names, "own"}
    assert told["properties"]["own"] == {"type": "integer"}
    assert set(told["required"]) == set(names)
    assert told["title"] == "p0"
