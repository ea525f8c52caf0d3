"""Clients of Chat Completions: both readers agree, bytes are kept, and bad requests name the field."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.inbound import OpenAIInbound
from octoroute.dialects.request.body import RequestBody
from octoroute.domain.events import Finished, FinishReason, Started, TextDelta
from octoroute.domain.outcome import Usage
from octoroute.errors import BadRequest

INBOUND = OpenAIInbound(lambda: 7.0)
USER = {"role": "user", "content": "hello"}


def body(**fields):
    return json.dumps({"model": "auto", "messages": [USER], **fields}).encode()


def read(raw):
    return INBOUND.read(raw, request_id="r", headers={})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"max_tokens": 9, "response_format": {"type": "json_object"}},
        {"max_tokens": 9, "max_completion_tokens": 8, "tools": [{"type": "function", "function": {"name": "f"}}]},
        {"model": "auto:0.3", "octoroute": {"importance": "high"}},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}]}
            ]
        },
        {"messages": [USER, {"role": "assistant", "content": "b"}, {"role": "tool", "content": "c"}, USER], "tools": []},
    ],
)
def test_the_fast_reader_and_the_careful_one_agree(fields):
    raw = body(**fields)
    fast = read(raw)
    careful = INBOUND.read_by_field(RequestBody.parse(raw), request_id="r", headers={})
    assert (fast.model, fast.stream, fast.wants_usage, fast.facts) == (
        careful.model,
        careful.stream,
        careful.wants_usage,
        careful.facts,
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": 7}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"content": "no role"}]}, "messages[0]"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_bad_requests_name_the_field(fields, param):
    with pytest.raises(BadRequest) as caught:
        read(body(**fields))
    assert caught.value.param == param


def test_minus_one_means_no_limit():
    assert read(body(max_tokens=-1)).facts.output_tokens is None


def test_only_the_model_and_our_own_object_change():
    raw = b'{ "seed":1.0,"model" : "auto", "octoroute":{"importance":"low"},"messages":[{"role":"user","content":"\\u00e9"}] }'
    sent = INBOUND.with_model(read(raw), "gpt-x")
    assert sent == b'{ "seed":1.0,"model" : "gpt-x", "messages":[{"role":"user","content":"\\u00e9"}] }'


def test_the_history_knows_whose_message_each_is():
    messages = [{"role": role, "content": "x" * 8} for role in ("developer", "user", "assistant", "tool")]
    history = INBOUND.history(read(body(messages=messages)))
    assert history is not None and history.budgets == ("max_completion_tokens", "max_tokens")
    assert [message.kind for message in history.messages] == ["system", "user", "assistant", "results"]
    assert [json.loads(bytes(raw)) for raw in history.raw_messages] == messages


def test_a_response_without_usage_gets_an_estimate():
    request = read(body(messages=[{"role": "user", "content": "x" * 400}]))
    events = [Started("u", "m"), TextDelta("x" * 8), Finished(FinishReason.STOP)]
    response = json.loads(INBOUND.encode_response(request, events))
    assert (response["created"], response["model"]) == (7, "auto")
    assert (response["usage"]["prompt_tokens"], response["usage"]["completion_tokens"]) == (100, 2)
    reported = [Started("u", "m", Usage(input_tokens=3, output_tokens=4)), *events[1:]]
    assert json.loads(INBOUND.encode_response(request, reported))["usage"]["total_tokens"] == 7
