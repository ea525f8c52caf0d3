"""What the gateway reads of an Ollama request."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.ollama.inbound import OllamaInbound
from octoroute.errors import BadRequest
from tests.support.spine import make_endpoint

INBOUND = OllamaInbound(lambda: 50.0)
MESSAGES = [{"role": "user", "content": "hello there"}]


def read(headers=None, **fields):
    body = {"model": "auto", "messages": MESSAGES, **fields}
    return INBOUND.read(json.dumps(body).encode(), request_id="r", headers=headers or {})


def test_it_streams_unless_told_otherwise():
    assert read().stream and read(stream=True).stream and not read(stream=False).stream


def test_facts_of_a_chat():
    messages = [
        {"role": "system", "content": "s" * 400},
        {"role": "user", "content": "look", "images": ["iVBORw0KGgo"]},
        {"role": "assistant", "thinking": "t" * 400, "tool_calls": [{"function": {"name": "f", "arguments": {"a": "x" * 400}}}]},
        {"role": "tool", "tool_name": "f", "content": "y" * 400},
    ]
    facts = read(messages=messages, options={"num_predict": 9}, format="json", tools=[{"function": {"name": "f"}}]).facts
    assert (facts.text, facts.images, facts.json, facts.tools, facts.continues) == ("look", True, True, True, True)
    assert (facts.output_tokens, facts.messages) == (9, 4)
    assert facts.context_tokens > 1000 + 400


def test_facts_of_a_prompt_and_hints():
    request = INBOUND.read(
        json.dumps({"model": "auto:0.2", "prompt": "hi", "system": "x", "octoroute": {"importance": "high"}}).encode(),
        request_id="r",
        headers={},
    )
    assert (request.model, request.facts.text, request.facts.messages) == ("auto", "hi", 2)
    assert (request.facts.quality, request.facts.importance) == (0.2, "high")
    assert INBOUND.history(request) is None


def test_a_history_can_be_cut():
    messages = [
        *MESSAGES,
        {"role": "assistant", "content": "hi"},
        {"role": "tool", "content": "1"},
        {"role": "user", "content": "?"},
    ]
    history = INBOUND.history(read(messages=messages))
    assert history is not None
    assert [message.kind for message in history.messages] == ["user", "assistant", "results", "user"]
    assert history.budgets == ("options.num_predict",)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"model": "m"}, "load"),
        ({"model": "m", "messages": []}, "load"),
        ({"model": "m", "prompt": "", "keep_alive": 0}, "unload"),
        ({"model": "m", "keep_alive": "0s"}, "unload"),
    ],
)
def test_a_request_without_a_question_only_loads(body, reason):
    told = json.loads(INBOUND.preset(json.dumps(body).encode()) or b"{}")
    assert (told["model"], told["done_reason"]) == ("m", reason)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"model":5}', b'{"model":"m","prompt":"x"}', b'{"model":"m","messages":[{}]}']
)
def test_every_other_request_is_read(body):
    assert INBOUND.preset(body) is None


@pytest.mark.parametrize("fields", [{"model": ""}, {"model": None}, {"messages": []}, {"messages": None}])
def test_a_missing_field_is_named(fields):
    with pytest.raises(BadRequest) as error:
        read(**fields)
    assert error.value.param in fields


def test_the_encoder_follows_the_route_and_the_wish():
    request = read(think=False)
    line = INBOUND.encoder(request).encode([])
    assert line == b""
    assert json.loads(INBOUND.encode_response(request, []))["message"]["content"] == ""
    prompt = INBOUND.read(b'{"model":"m","prompt":"x"}', request_id="r", headers={})
    assert json.loads(INBOUND.encode_response(prompt, []))["response"] == ""
    assert INBOUND.conversation(request, make_endpoint("a")).thinking is not None
    assert INBOUND.strip_signed_thinking(request) is request
    assert json.loads(INBOUND.with_model(request, "other"))["model"] == "other"
