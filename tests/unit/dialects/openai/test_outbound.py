"""OpenAI-compatible servers as endpoints: quirks decide what is sent and how the response is read."""

from __future__ import annotations

import json

from octoroute.dialects.openai.outbound import OpenAIOutbound
from octoroute.domain.conversation import Conversation, Document, Role, Text, Turn
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import Finished, FinishReason, TextDelta, ThinkingDelta
from octoroute.errors import UpstreamAuthError

OUTBOUND = OpenAIOutbound()


def endpoint(*quirks, **more):
    return Endpoint(
        id="o", name="o", tier=Tier.FAST, kind="openai", provider="openai", base_url="http://x", model="m", quirks=quirks, **more
    )


def conversation(**fields):
    return Conversation(turns=(Turn(Role.USER, (Text("hi"),)),), **fields)


def response(text):
    return json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}).encode()


def test_quirks_of_the_endpoint_shape_the_request():
    plain = json.loads(OUTBOUND.encode_request(conversation(max_tokens=5), endpoint(), stream=True))
    assert plain["stream_options"] == {"include_usage": True} and plain["max_tokens"] == 5
    without = json.loads(OUTBOUND.encode_request(conversation(max_tokens=5), endpoint("no-stream-options"), stream=True))
    assert "stream_options" not in without
    vendor = json.loads(OUTBOUND.encode_request(conversation(max_tokens=5), endpoint("openai"), stream=False))
    assert vendor["max_completion_tokens"] == 5


def test_stop_sequences_beyond_the_limit_are_enforced_on_the_response():
    stops = conversation(stop=("a", "b", "c", "d", "END"))
    assert json.loads(OUTBOUND.encode_request(stops, endpoint(), stream=False))["stop"] == ["a", "b", "c", "d"]
    events = OUTBOUND.decode_response(response("one END two"), stops, endpoint())
    assert TextDelta("one ") in events and events[-1] == Finished(FinishReason.STOP, "END", "stop")


def test_think_tags_are_read_only_where_the_model_writes_them():
    body = response("<think>hm</think>Hi")
    tagged = OUTBOUND.decode_response(body, conversation(), endpoint("think-tags"))
    assert ThinkingDelta("hm") in tagged and TextDelta("Hi") in tagged
    assert TextDelta("<think>hm</think>Hi") in OUTBOUND.decode_response(body, conversation(), endpoint())


def test_documents_need_a_server_that_takes_them():
    with_pdf = Conversation(turns=(Turn(Role.USER, (Document(media_type="application/pdf", data="JVBER"),)),))
    assert "application/pdf" in (OUTBOUND.unsupported(with_pdf, endpoint()) or "")
    assert OUTBOUND.unsupported(with_pdf, endpoint("openai")) is None


def test_errors_are_read_from_the_body():
    body = b'{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}'
    assert isinstance(OUTBOUND.read_error(429, {}, body), UpstreamAuthError)
    assert OUTBOUND.read_error(500, {}, b"") is None
