"""OpenAI-compatible servers: what their quirks demand of a request is undone in the response."""

from __future__ import annotations

import json

from octoroute.dialects.openai.outbound import OpenAIOutbound
from octoroute.domain.conversation import Conversation, Role, Text, Turn
from octoroute.domain.events import Finished, TextDelta, ThinkingDelta
from tests.support.chunks import DONE, chunk
from tests.support.spine import make_endpoint

OUTBOUND = OpenAIOutbound()
CONVERSATION = Conversation(turns=(Turn(Role.USER, (Text("hello"),)),), stop=("one", "two", "three", "four", "END"))
ENDPOINT = make_endpoint("a", base_url="https://api.openai.com/v1")


def text_of(events):
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_stop_sequences_the_server_does_not_take_are_enforced_here():
    body = json.loads(OUTBOUND.encode_request(CONVERSATION, ENDPOINT, stream=True))
    assert len(body["stop"]) == 4
    decoder = OUTBOUND.decoder(CONVERSATION, ENDPOINT)
    events = [*decoder.feed(chunk(content="so far EN") + chunk(content="D and more") + chunk("stop") + DONE), *decoder.end()]
    assert text_of(events) == "so far "
    assert [event.stop_sequence for event in events if isinstance(event, Finished)] == ["END"]


def test_a_response_to_a_clients_own_bytes_is_left_as_it_is():
    decoder = OUTBOUND.decoder()
    assert text_of([*decoder.feed(chunk(content="so far END") + chunk("stop") + DONE), *decoder.end()]) == "so far END"


def test_thinking_that_a_server_left_in_the_text_is_told_apart():
    body = json.dumps({"choices": [{"message": {"content": "<think>hm</think>yes"}, "finish_reason": "stop"}]}).encode()
    conversation = Conversation(turns=CONVERSATION.turns)
    events = OUTBOUND.decode_response(body, conversation, make_endpoint("a", quirks=("think-tags",)))
    assert (text_of(events), [event.text for event in events if isinstance(event, ThinkingDelta)]) == ("yes", ["hm"])
    assert text_of(OUTBOUND.decode_response(body, conversation, ENDPOINT)) == "<think>hm</think>yes"


def test_errors_say_more_than_their_status():
    body = json.dumps({"error": {"message": "maximum context length is 10 tokens", "code": "context_length_exceeded"}}).encode()
    assert OUTBOUND.read_error(400, {}, body).code == "context_length_exceeded"
    assert OUTBOUND.read_error(400, {}, b"{}").code == "upstream_declined"
    assert OUTBOUND.read_error(302, {}, b"{}") is None


def test_its_servers_verify_nothing():
    assert not OUTBOUND.verifies_thinking
