"""Clients of the Responses API: facts, history, and the response's echo of the request."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.responses.inbound import ResponsesInbound
from octoroute.domain.events import Finished, FinishReason, Started, TextDelta
from octoroute.errors import BadRequest

INBOUND = ResponsesInbound(lambda: 7.0)


def read(input="hi", **fields):
    body = json.dumps({"model": "auto", "input": input, **fields}).encode()
    return INBOUND.read(body, request_id="r", headers={})


ITEMS = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "https://x/y.png"}]},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "r"},
    {"role": "assistant", "content": "b"},
]


def test_facts_of_a_request():
    facts = read(ITEMS, instructions="be brief", max_output_tokens=9, text={"format": {"type": "json_object"}}).facts
    assert (facts.text, facts.output_tokens, facts.images, facts.tools, facts.json) == ("a", 9, True, True, True)
    plain = read("hello").facts
    assert (plain.text, plain.images, plain.tools, plain.json) == ("hello", False, False, False)


def test_the_history_pairs_results_with_their_calls():
    history = INBOUND.history(read(ITEMS))
    assert history is not None and history.key == "input" and history.budgets == ("max_output_tokens",)
    assert [message.kind for message in history.messages] == ["system", "user", "assistant", "results", "assistant"]
    assert json.loads(bytes(history.raw_messages[2])) == ITEMS[2]
    assert INBOUND.history(read("text")) is None


def test_a_response_repeats_its_request():
    events = [Started("u", "m"), TextDelta("hi"), Finished(FinishReason.STOP)]
    body = json.loads(INBOUND.encode_response(read(temperature=0.5, metadata={"a": "b"}, top_p=None), events))
    assert (body["temperature"], body["metadata"], body["top_p"], body["created_at"]) == (0.5, {"a": "b"}, 1.0, 7)


@pytest.mark.parametrize(("fields", "param"), [({"input": None}, "input"), ({"input": []}, "input"), ({"model": " "}, "model")])
def test_bad_requests_name_the_field(fields, param):
    with pytest.raises(BadRequest) as caught:
        read(**fields)
    assert caught.value.param == param
