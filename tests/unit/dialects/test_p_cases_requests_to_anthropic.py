"""P-cases of requests from an OpenAI client to an Anthropic endpoint."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.request_encoder import encode_request
from octoroute.dialects.openai.request_decoder import decode_request
from octoroute.errors import BadRequest

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SONNET, OLD, NEW = "claude-sonnet-4-5", "claude-3-5-sonnet-20241022", "claude-sonnet-5"


def call(id="c1", name="f", arguments="{}"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool(id="c1", content="r"):
    return {"role": "tool", "tool_call_id": id, "content": content}


def user(content):
    return {"role": "user", "content": content}


def said(content=None, *calls, **more):
    return {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {}), **more}


def ask(*messages, model=SONNET, notes=None, default=None, limit=None, **fields):
    conversation = decode_request(json.dumps({"model": "m", "messages": list(messages), **fields}).encode())
    return json.loads(
        encode_request(conversation, model=model, stream=False, notes=notes, default_max_tokens=default, max_output_tokens=limit)
    )


@pytest.mark.parametrize("ids", [("functions.Bash:0", "functions.Bash:1"), ("x" * 79 + "a", "x" * 79 + "b"), ("", "")])
def test_p68_ids_are_made_safe(ids):
    body = ask(user("a"), said(None, *(call(id) for id in ids)), *(tool(id) for id in ids if id), user("b"))
    used = [block["id"] for block in body["messages"][1]["content"]]
    assert len(set(used)) == 2 and all(len(id) <= 64 and id.replace("_", "").replace("-", "").isalnum() for id in used)
    assert [block["tool_use_id"] for block in body["messages"][2]["content"][:2]] == used


def test_p69_results_first_in_one_user_turn():
    body = ask(user("a"), said(None, call("1"), call("2")), tool("1"), tool("2"), user("and?"))
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][2]["content"]] == ["tool_result", "tool_result", "text"]


def test_p70_an_image_in_a_result():
    content = [{"type": "text", "text": "shot"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]
    body = ask(user("a"), said(None, call()), tool(content=content))
    assert body["messages"][2]["content"][0]["content"] == [
        {"type": "text", "text": "shot"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
    ]


def test_p71_empty_text_is_dropped_with_its_cache_mark():
    mark = {"cache_control": {"type": "ephemeral"}}
    body = ask(user([{"type": "text", "text": "", **mark}, {"type": "text", "text": "x", **mark}]), said("  "), user("y"))
    assert body["messages"] == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "y"}],
        }
    ]


def test_p71_at_most_four_cache_marks():
    parts = [{"type": "text", "text": str(number), "cache_control": {"type": "ephemeral"}} for number in range(7)]
    content = ask(user(parts))["messages"][0]["content"]
    assert [block["text"] for block in content if "cache_control" in block] == ["3", "4", "5", "6"]


def test_p71_nothing_left_to_say():
    with pytest.raises(BadRequest):
        ask(user("  "))


def test_p72_without_max_tokens():
    assert ask(user("a"))["max_tokens"] == 8192
    assert ask(user("a"), default=4096)["max_tokens"] == 4096
    assert ask(user("a"), max_completion_tokens=7, max_tokens=9)["max_tokens"] == 7
    assert ask(user("a"), max_tokens=64000, limit=8192)["max_tokens"] == 8192


def test_p73_temperature():
    notes = []
    assert ask(user("a"), temperature=1.7, notes=notes)["temperature"] == 1 and "temperature" in notes[0]
    both = ask(user("a"), temperature=0.5, top_p=0.9)
    assert both["temperature"] == 0.5 and "top_p" not in both
    assert ask(user("a"), temperature=0.5, top_p=0.9, model=OLD)["top_p"] == 0.9
    for model in (NEW, "claude-opus-4-8"):
        assert "temperature" not in ask(user("a"), temperature=0.5, model=model)


def test_p74_no_parallel_calls():
    assert ask(user("a"), tools=[FUNCTION], parallel_tool_calls=False)["tool_choice"] == {
        "type": "auto",
        "disable_parallel_tool_use": True,
    }
    assert "tool_choice" not in ask(user("a"), parallel_tool_calls=False)


def test_p75_odd_data_urls():
    def source(url):
        return ask(user([{"type": "image_url", "image_url": {"url": url}}]))["messages"][0]["content"][0]["source"]

    assert source("data:image/jpg;name=x;base64,AAAA") == {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}
    assert source("https://x/y") == {"type": "url", "url": "https://x/y"}
    for bad in ("data:image/svg+xml;base64,AA", "data:image/png,plain", "ftp://x/y", "data:"):
        with pytest.raises(BadRequest):
            source(bad)


@pytest.mark.parametrize("arguments", ["{", "[1]", "nonsense"])
def test_p76_broken_arguments_in_the_history(arguments):
    body = ask(user("a"), said(None, call(arguments=arguments)), tool())
    assert body["messages"][1]["content"][0]["input"] == {"_invalid_json": arguments}
    assert ask(user("a"), said(None, call(arguments="")), tool())["messages"][1]["content"][0]["input"] == {}


def test_p77_calls_come_last_in_a_turn():
    body = ask(user("a"), said(None, call("1")), said("found it"), tool("1"))
    assert [block["type"] for block in body["messages"][1]["content"]] == ["text", "tool_use"]


def test_p78_a_developer_message_in_the_middle():
    start = [{"role": "system", "content": "s"}, user("a"), said("b")]
    plain, later = ask(*start, user("c")), ask(*start, {"role": "developer", "content": "brief"}, user("c"))
    assert later["system"] == plain["system"] == [{"type": "text", "text": "s"}]
    assert later["messages"][:2] == plain["messages"][:2]
    assert [block["text"] for block in later["messages"][2]["content"]] == ["[system instruction]\nbrief", "c"]


def test_p83_thinking_made_elsewhere_is_left_out():
    blocks = [
        {"type": "thinking", "thinking": "ours", "signature": ""},
        {"type": "thinking", "thinking": "theirs", "signature": "sig=="},
    ]
    body = ask(user("a"), said("b", thinking_blocks=blocks, reasoning_content="ours"), user("c"))
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "theirs", "signature": "sig=="},
        {"type": "text", "text": "b"},
    ]
    assert ask(user("a"), said("b", reasoning_content="x"), user("c"))["messages"][1]["content"] == [{"type": "text", "text": "b"}]


@pytest.mark.parametrize(
    ("effort", "model", "thinking", "config"),
    [
        ("none", SONNET, {"type": "disabled"}, None),
        ("minimal", SONNET, {"type": "disabled"}, None),
        ("low", SONNET, {"type": "enabled", "budget_tokens": 2048}, None),
        ("high", SONNET, {"type": "enabled", "budget_tokens": 24576}, None),
        ("high", "claude-opus-4-6", {"type": "adaptive", "display": "summarized"}, {"effort": "high"}),
        ("max", NEW, {"type": "adaptive", "display": "summarized"}, {"effort": "max"}),
        ("high", OLD, None, None),
    ],
)
def test_effort_as_thinking(effort, model, thinking, config):
    body = ask(user("a"), reasoning_effort=effort, model=model)
    assert body.get("thinking") == thinking and body.get("output_config") == config
    assert thinking is None or body["max_tokens"] > thinking.get("budget_tokens", 0)


@pytest.mark.parametrize(
    ("max_tokens", "effort", "budget", "sent"),
    [(4000, "high", 3200, 4000), (100, "low", 1024, 1124), (100_000, "high", 24576, 100_000)],
)
def test_a_budget_leaves_room_for_the_answer(max_tokens, effort, budget, sent):
    body = ask(user("a"), reasoning_effort=effort, max_tokens=max_tokens)
    assert (body["thinking"]["budget_tokens"], body["max_tokens"]) == (budget, sent)


@pytest.mark.parametrize(
    ("messages", "fields"),
    [
        ([user("a")], {"tools": [FUNCTION], "tool_choice": "required"}),
        ([user("a"), said("b")], {}),
        ([user("a")], {"temperature": 0.3}),
        ([user("a"), said(None, call()), tool()], {"tools": [FUNCTION]}),
    ],
)
def test_what_thinking_cannot_be_had_with(messages, fields):
    notes = []
    assert "thinking" not in ask(*messages, reasoning_effort="high", notes=notes, **fields)
    assert any(note.startswith("thinking") for note in notes)


def test_tool_choice_and_allowed_tools():
    other = {"type": "function", "function": {"name": "g"}}
    assert ask(user("a"), tools=[FUNCTION], tool_choice="none")["tool_choice"] == {"type": "none"}
    assert ask(user("a"), tools=[FUNCTION], tool_choice="required")["tool_choice"] == {"type": "any"}
    named = {"type": "function", "function": {"name": "f"}}
    assert ask(user("a"), tools=[FUNCTION], tool_choice=named)["tool_choice"] == {"type": "tool", "name": "f"}
    allowed = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]},
    }
    body = ask(user("a"), tools=[FUNCTION, other], tool_choice=allowed)
    assert [tool["name"] for tool in body["tools"]] == ["g"] and body["tool_choice"] == {"type": "any"}
    assert body["tools"][0]["input_schema"] == {"type": "object", "properties": {}}


def test_a_schema_whose_top_is_a_union():
    union = {"anyOf": [{"type": "object", "properties": {"a": {}}, "required": ["a"]}, {"type": "object", "properties": {"b": {}}}]}
    schema = ask(user("a"), tools=[{"type": "function", "function": {"name": "f", "parameters": union}}])["tools"][0][
        "input_schema"
    ]
    assert schema == {"type": "object", "properties": {"a": {}, "b": {}}}


def test_a_structured_answer():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    wanted = {"response_format": {"type": "json_schema", "json_schema": {"name": "out", "schema": schema}}}
    assert ask(user("a"), **wanted)["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    forced = ask(user("a"), model=OLD, **wanted)
    assert forced["tools"][0]["input_schema"] == schema and forced["tool_choice"] == {"type": "tool", "name": "structured_answer"}
    assert "JSON" in ask(user("a"), response_format={"type": "json_object"})["system"][0]["text"]


def test_a_forced_structured_answer_comes_back_as_text():
    from octoroute.dialects.anthropic.outbound import AnthropicOutbound
    from octoroute.domain.endpoint import Endpoint, Tier
    from octoroute.domain.events import Finished, FinishReason, TextDelta, ToolCallStarted

    endpoint = Endpoint(id="e", name="e", tier=Tier.FAST, kind="anthropic", provider="anthropic", base_url="http://x", model=OLD)
    wanted = {"type": "json_schema", "json_schema": {"name": "out", "schema": {"type": "object", "properties": {}}}}
    conversation = decode_request(json.dumps({"messages": [user("a")], "response_format": wanted}).encode())
    answer = {
        "content": [{"type": "tool_use", "id": "t", "name": "structured_answer", "input": {"a": 1}}],
        "stop_reason": "tool_use",
    }
    events = AnthropicOutbound().decode_response(json.dumps(answer).encode(), conversation, endpoint)
    assert TextDelta('{"a":1}') in events and not any(isinstance(event, ToolCallStarted) for event in events)
    assert isinstance(events[-1], Finished) and events[-1].reason is FinishReason.STOP


def test_what_the_format_cannot_say_is_noted():
    notes = []
    ask(user("a"), seed=1, presence_penalty=0.5, notes=notes)
    assert {note.split(":")[0] for note in notes} == {"seed", "presence_penalty"}
    conversation = decode_request(
        json.dumps({"messages": [user("a")], "logit_bias": {"1": 2}, "store": False, "verbosity": "low"}).encode()
    )
    assert set(conversation.ignored) == {"logit_bias", "verbosity"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0]"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"messages": [{"role": "wizard"}]}, "messages[0].role"),
        ({"messages": [user([{"type": "file", "file": {"file_id": "f"}}])]}, "messages[0].content[0].file"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [user([{"type": "hologram"}])]}, "messages[0].content[0]"),
        ({"messages": "hello"}, "messages"),
    ],
)
def test_bad_requests_name_the_field(fields, param):
    with pytest.raises(BadRequest) as caught:
        decode_request(json.dumps({"messages": [user("a")], **fields}).encode())
    assert (caught.value.param or "").startswith(param)


def test_audio_cannot_be_sent():
    with pytest.raises(BadRequest, match="audio"):
        ask(user([{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]))


def test_documents():
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JV"}}
    assert ask(user([part]))["messages"][0]["content"][0] == {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "JV"},
        "title": "a.pdf",
    }
    text = {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}}
    assert ask(user([text]))["messages"][0]["content"][0]["source"] == {"type": "text", "media_type": "text/plain", "data": "hi"}


def test_legacy_functions():
    body = ask(
        user("a"),
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"x":1}'}},
        {"role": "function", "name": "f", "content": "r"},
        functions=[{"name": "f", "parameters": {"type": "object", "properties": {}}}],
        function_call={"name": "f"},
    )
    use, (result, *_) = body["messages"][1]["content"][0], body["messages"][2]["content"]
    assert use["input"] == {"x": 1} and result["tool_use_id"] == use["id"]
    assert body["tool_choice"] == {"type": "tool", "name": "f"}


def test_the_conversation_starts_with_the_user_and_does_not_end_in_white_space():
    body = ask(said("hi"), user("a"), said("so \n"))
    assert body["messages"][0]["role"] == "user" and body["messages"][-1]["content"][-1]["text"] == "so"


def test_an_error_result_is_flagged():
    body = ask(user("a"), said(None, call()), tool(content="[tool error] no file"))
    assert body["messages"][2]["content"][0] == {
        "type": "tool_result",
        "tool_use_id": "c1",
        "content": [{"type": "text", "text": "no file"}],
        "is_error": True,
    }


def test_the_user_is_hashed_when_it_looks_personal():
    assert ask(user("a"), user="u-17")["metadata"] == {"user_id": "u-17"}
    assert "@" not in ask(user("a"), user="ann@example.org")["metadata"]["user_id"]
