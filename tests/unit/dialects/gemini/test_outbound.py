"""Gemini's servers: tokens are counted of a whole request in an envelope, and no client's bytes pass through."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.gemini.outbound import GeminiOutbound
from octoroute.dialects.gemini.usage_tap import GeminiUsageTap
from octoroute.domain.conversation import Conversation, Role, Text, Turn
from tests.support.spine import make_endpoint

OUTBOUND = GeminiOutbound(lambda: 0.0)
CONVERSATION = Conversation(system=(Text("be brief"),), turns=(Turn(Role.USER, (Text("hello"),)),))


@pytest.mark.parametrize("model", ["gemini-3-pro", "models/gemini-3-pro"])
def test_a_count_is_asked_of_the_request_as_it_would_be_sent(model):
    endpoint = make_endpoint("a", kind="gemini", model=model)
    body = OUTBOUND.encode_request(CONVERSATION, endpoint, stream=False)
    counted = json.loads(OUTBOUND.count_request(body, endpoint))["generateContentRequest"]
    assert counted.pop("model") == "models/gemini-3-pro"
    assert counted == json.loads(body)


@pytest.mark.parametrize(
    ("body", "tokens"),
    [(b'{"totalTokens": 42}', 42), (b'{"input_tokens": 42}', None), (b'{"totalTokens": {}}', None), (b"[", None)],
)
def test_a_count_is_read_or_there_is_none(body, tokens):
    assert OUTBOUND.read_count(body) == tokens


def test_bytes_that_pass_are_read_by_a_tap_of_their_own():
    assert GeminiOutbound().tap() is not GeminiOutbound().tap()
    assert isinstance(GeminiOutbound().tap(), GeminiUsageTap)
