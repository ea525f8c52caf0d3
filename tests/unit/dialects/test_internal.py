"""The dialect of the gateway's own requests: a conversation goes in as it is, and text comes out."""

from __future__ import annotations

import pytest

from octoroute.dialects.internal import InternalInbound
from octoroute.domain.conversation import Conversation, Role, Text, Turn
from octoroute.domain.events import Finished, FinishReason, Started, TextDelta, ThinkingDelta
from octoroute.domain.request import Facts, Request
from octoroute.errors import TooSlow
from tests.support.spine import make_endpoint

INTERNAL = InternalInbound()
CONVERSATION = Conversation(turns=(Turn(Role.USER, (Text("hello"),)),))
REQUEST = Request(id="r", dialect=INTERNAL.name, model="a", stream=False, body=CONVERSATION, facts=Facts())


def test_the_conversation_is_the_body_whatever_the_endpoints_defaults():
    assert INTERNAL.conversation(REQUEST, make_endpoint("a", max_tokens=3)) is CONVERSATION


def test_an_answer_is_its_text():
    assert (
        INTERNAL.encode_response(
            REQUEST, [Started(), ThinkingDelta("hm"), TextDelta("a"), TextDelta("b"), Finished(FinishReason.STOP)]
        )
        == b"ab"
    )


def test_an_error_is_its_message():
    assert INTERNAL.error(TooSlow("too slow"), "r") == INTERNAL.error_event(TooSlow("too slow"), "r") == b"too slow"


def test_no_client_and_no_endpoint_speaks_it():
    assert INTERNAL.paths == ()
    for call in (
        lambda: INTERNAL.read(b"{}", request_id="r", headers={}),
        lambda: INTERNAL.with_model(REQUEST, "m"),
        lambda: INTERNAL.encoder(REQUEST),
    ):
        with pytest.raises(NotImplementedError):
            call()
