"""The dialect of POST /chat: one message, a few hints, and a text."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.chat import MAX_MESSAGE_CHARS, ChatInbound
from octoroute.domain.events import Finished, FinishReason, RefusalDelta, Started, TextDelta, ThinkingDelta
from octoroute.domain.request import Importance
from octoroute.errors import BadRequest
from tests.support.spine import make_endpoint

CHAT = ChatInbound()


def read(**fields):
    return CHAT.read(json.dumps(fields).encode(), request_id="r", headers={})


def test_a_message_becomes_a_conversation_with_the_endpoints_defaults():
    request = read(message="hello", importance="high")
    assert (request.model, request.stream, request.facts.importance) == ("auto", False, Importance.HIGH)
    conversation = CHAT.conversation(request, make_endpoint("a", max_tokens=7, temperature=0.5))
    assert conversation.turns[0].content[0].text == "hello"
    assert (conversation.max_tokens, conversation.temperature) == (7, 0.5)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "message: is missing"),
        ({"message": " \n"}, "must not be empty"),
        ({"message": "x" * (MAX_MESSAGE_CHARS + 1)}, "maximum length"),
        ({"message": 3}, "message"),
        ({"message": "x", "importance": "huge"}, "importance"),
        ({"message": "x", "task_type": "magic"}, "task_type"),
    ],
)
def test_what_does_not_fit_is_named(fields, says):
    with pytest.raises(BadRequest, match=says):
        read(**fields)


def test_an_answer_is_its_text_refusals_included():
    events = [Started(), ThinkingDelta("hm"), TextDelta("a"), RefusalDelta("b"), Finished(FinishReason.STOP)]
    assert CHAT.encode_response(read(message="x"), events) == b"ab"


def test_nothing_can_be_cut_and_nothing_is_signed():
    request = read(message="x")
    assert CHAT.history(request) is None
    assert CHAT.strip_signed_thinking(request) is request


def test_no_endpoint_speaks_it_and_nothing_streams():
    for call in (lambda: CHAT.with_model(read(message="x"), "m"), lambda: CHAT.encoder(read(message="x"))):
        with pytest.raises(NotImplementedError):
            call()
