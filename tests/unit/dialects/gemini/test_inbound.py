"""What the gateway reads of a Gemini request."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.gemini.array_stream import ArrayStream
from octoroute.dialects.gemini.inbound import GeminiInbound
from octoroute.dialects.gemini.marks import encode_mark
from octoroute.dialects.local_routes import LocalRequest, ModelCard
from octoroute.domain.endpoint import Tier
from octoroute.errors import BadRequest, UnknownModel
from tests.support.spine import make_endpoint

INBOUND = GeminiInbound()
CONTENTS = [{"role": "user", "parts": [{"text": "hello there"}]}]


def read(body=None, path="/v1beta/models/auto:generateContent?", headers=None, **fields):
    body = {"contents": CONTENTS} if body is None else body
    raw = body if isinstance(body, bytes) else json.dumps({**body, **fields}).encode()
    return INBOUND.read(raw, request_id="r", headers={**(headers or {}), ":path": path})


def test_model_stream_and_hints_come_from_the_path_and_headers():
    request = read(path="/v1beta/models/auto:0.8:streamGenerateContent?alt=sse", headers={"x-octoroute-importance": "high"})
    assert (request.model, request.stream, request.facts.quality, request.facts.importance) == ("auto", True, 0.8, "high")
    assert INBOUND.wrapper(request) is None
    assert isinstance(INBOUND.wrapper(read(path="/v1/models/m:streamGenerateContent?")), ArrayStream)


def test_hints_in_the_body_do_not_reach_google():
    request = read(octoroute={"importance": "low"})
    assert request.facts.importance == "low"
    assert INBOUND.with_model(request, "gemini-3-pro") == json.dumps({"contents": CONTENTS}).encode()


def test_the_body_keeps_its_bytes():
    body = b' { "contents" : [{"parts":[{"text":"x"}]}], "generation_config":{"temperature":1.50} } '
    assert INBOUND.with_model(read(body), "gemini-3-pro") is body


def test_marks_are_taken_out():
    part = {"text": "t", "thought": True, "thoughtSignature": encode_mark("", "anthropic", "s")}
    request = read({"contents": [*CONTENTS, {"role": "model", "parts": [part, {"text": "a"}]}]})
    sent = json.loads(INBOUND.with_model(request, "gemini-3-pro"))
    assert sent["contents"][1]["parts"] == [{"text": "a"}]


def test_facts():
    png = {"inline_data": {"mime_type": "image/png", "data": "A" * 4000}}
    pdf = {"inlineData": {"mimeType": "application/pdf", "data": "A" * 40000}}
    call = {"functionCall": {"name": "f", "args": {"a": "x" * 400}}}
    response = {"functionResponse": {"name": "f", "response": {"output": "y" * 4000}}}
    contents = [
        {"role": "user", "parts": [{"text": "look"}, png, pdf]},
        {"role": "model", "parts": [{"text": "thinking" * 10, "thought": True}, call]},
        {"role": "user", "parts": [response]},
    ]
    facts = read(
        {"contents": contents},
        systemInstruction={"parts": [{"text": "s" * 400}]},
        tools=[{"functionDeclarations": [{"name": "f"}]}],
        generationConfig={"maxOutputTokens": 77, "responseMimeType": "application/json"},
    ).facts
    assert (facts.text, facts.tools, facts.images, facts.json, facts.attachments) == ("look", True, True, True, True)
    assert (facts.output_tokens, facts.messages, facts.continues) == (77, 4, True)
    assert facts.context_tokens > 1000 + 1000 + 1000


def test_a_count_may_be_asked_in_an_envelope():
    inner = {"model": "models/x", "contents": CONTENTS, "systemInstruction": {"parts": [{"text": "be brief"}]}}
    for name in ("generateContentRequest", "generate_content_request"):
        request = read({name: inner}, path="/v1beta/models/auto:countTokens?")
        assert json.loads(request.body.raw) == inner
    assert json.loads(INBOUND.encode_count(5))["totalTokens"] == 5


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"contents": []}, "contents"),
        ({"contents": None}, "contents"),
        ({"contents": [{"parts": [{"text": 5}]}]}, "contents[0].parts[0].text"),
        ({"generationConfig": {"maxOutputTokens": 0}}, "generationConfig.maxOutputTokens"),
        ({"generation_config": {"maxOutputTokens": "x"}}, "generationConfig.maxOutputTokens"),
    ],
)
def test_a_wrong_field_is_named(fields, param):
    with pytest.raises(BadRequest) as error:
        read(**fields)
    assert error.value.param == param


@pytest.mark.parametrize("name", ["generationConfig", "generation_config"])
def test_a_history_can_be_cut(name):
    inner = "maxOutputTokens" if name == "generationConfig" else "max_output_tokens"
    contents = [
        *CONTENTS,
        {"role": "model", "parts": [{"text": "hi"}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}, {"text": "and?"}]},
    ]
    history = INBOUND.history(read({"contents": contents, name: {inner: 5}}))
    assert history is not None
    assert [message.kind for message in history.messages] == ["user", "assistant", "results"]
    assert history.messages[2].has_user_text
    assert history.budgets == (f"{name}.{inner}",)
    assert [json.loads(bytes(raw)) for raw in history.raw_messages] == contents


def test_names_go_to_tiers_by_their_class():
    found = {
        name: next(tier for word, tier in INBOUND.model_classes.items() if word in name)
        for name in ("gemini-2.5-flash-lite", "gemini-3-flash-preview", "gemini-2.5-pro")
    }
    assert list(found.values()) == [Tier.FAST, Tier.BALANCED, Tier.DEEP]


def test_models_are_listed_and_described():
    answers = {route.path: route.answer for route in INBOUND.local_routes()}
    cards = {"m/1": ModelCard("m/1", "user", context_window=10)}
    listed = json.loads(answers["/v1beta/models"](LocalRequest({}, {}, b"", cards)))
    assert [model["name"] for model in listed["models"]] == ["models/m/1"]
    get = answers["/v1beta/models/{name:path}"]
    assert json.loads(get(LocalRequest({"name": "m/1"}, {}, b"", cards)))["inputTokenLimit"] == 10
    with pytest.raises(UnknownModel):
        get(LocalRequest({"name": "other"}, {}, b"", cards))


def test_a_conversation_is_the_same_for_every_endpoint():
    assert INBOUND.conversation(read(), make_endpoint("a")) == INBOUND.conversation(read(), make_endpoint("b"))
    assert INBOUND.strip_signed_thinking(request := read()) is request
