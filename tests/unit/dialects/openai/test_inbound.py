"""A Chat Completions request: read as fast as can be or field by field, with the same result; and what is sent on keeps its bytes."""

from __future__ import annotations

import json

import msgspec
import pytest

from octoroute.dialects.openai.inbound import OpenAIInbound
from octoroute.dialects.request.body import RequestBody
from octoroute.errors import BadRequest

OPENAI = OpenAIInbound(lambda: 1700000000.0)
MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": [{"type": "text", "text": "hello"}]}]


def read(**fields):
    body = {"model": "auto", "messages": MESSAGES, **fields}
    return OPENAI.read(json.dumps(body).encode(), request_id="r", headers={})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"max_tokens": 5, "tools": [{"type": "function", "function": {"name": "f"}}]},
        {"max_completion_tokens": 9, "max_tokens": 5},
        {"response_format": {"type": "json_object"}},
        {"octoroute": {"importance": "high"}},
        {"model": "auto:0.3"},
        {"max_tokens": -1},
    ],
)
def test_both_ways_to_read_it_say_the_same(fields):
    body = json.dumps({"model": "auto", "messages": MESSAGES, **fields}).encode()
    fast = OPENAI.read(body, request_id="r", headers={})
    by_field = OPENAI.read_by_field(RequestBody.parse(body), request_id="r", headers={})
    assert msgspec.structs.replace(fast, body=None) == msgspec.structs.replace(by_field, body=None)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": None}, "model"),
        ({"model": " "}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_the_field_that_does_not_fit_is_named(fields, field):
    with pytest.raises(BadRequest) as caught:
        read(**fields)
    assert caught.value.param is not None
    assert caught.value.param.split(".")[0].split("[")[0] == field


def test_usage_is_wanted_only_in_streams_that_say_so():
    options = {"stream_options": {"include_usage": True}}
    assert [read(**fields).wants_usage for fields in ({}, options, {"stream": True}, {"stream": True, **options})] == [
        False, False, False, True,
    ]  # fmt: skip


def test_only_the_model_changes_and_our_own_object_goes():
    body = b'{ "model":"auto", "messages":[{"role":"user","content":"h\\u00e4"}],  "octoroute":{"importance":"high"}, "seed": 1e3 }'
    sent = OPENAI.with_model(OPENAI.read(body, request_id="r", headers={}), "m")
    assert json.loads(sent) == {"model": "m", "messages": [{"role": "user", "content": "h\u00e4"}], "seed": 1e3}
    assert b'"h\\u00e4"' in sent
    assert b"1e3" in sent


def test_a_history_tells_the_kinds_of_its_messages():
    calls = [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        }
    ]
    request = read(messages=[*MESSAGES, *calls, {"role": "tool", "tool_call_id": "c", "content": "42"}])
    history = OPENAI.history(request)
    assert history is not None
    assert [message.kind for message in history.messages] == ["system", "user", "assistant", "results"]
    assert history.budgets == ("max_completion_tokens", "max_tokens")


@pytest.mark.parametrize("field", ["reasoning_details", "thinking_blocks"])
def test_signed_thinking_is_taken_out_and_nothing_else(field):
    said = {"role": "assistant", "content": "b", "reasoning_content": "hm"}
    messages = [MESSAGES[0], {**said, field: [{"type": "reasoning.text", "text": "hm", "signature": "s"}]}, MESSAGES[1]]
    stripped = OPENAI.strip_signed_thinking(read(messages=messages, temperature=0.5))
    sent = json.loads(stripped.body.raw)
    assert sent == {"model": "auto", "messages": [MESSAGES[0], said, MESSAGES[1]], "temperature": 0.5}
    named = read(messages=[{"role": "user", "content": field}])
    assert OPENAI.strip_signed_thinking(named) is named
