"""Endpoints that are asked in the Responses format, as one part."""

from __future__ import annotations

import json

from octoroute.dialects.responses.outbound import ResponsesOutbound
from octoroute.domain.conversation import Conversation, Role, Text, Tool, Turn
from octoroute.domain.events import Finished, TextDelta, ToolCallStarted
from octoroute.errors import UpstreamRejected
from tests.support.spine import make_endpoint
from tests.unit.dialects.responses.test_stream_decoder import CALL, CREATED, DONE, delta, frame, item

OUTBOUND = ResponsesOutbound()
ENDPOINT = make_endpoint("a", model="gpt-5.2", base_url="https://api.openai.com/v1")
ASKED = Conversation(turns=(Turn(Role.USER, (Text("hi"),)),), tools=(Tool(name="f.x"),), stop=("END",))


def test_the_endpoint_decides_what_is_sent():
    body = json.loads(OUTBOUND.encode_request(ASKED, ENDPOINT, stream=True))
    assert body["model"] == "gpt-5.2" and body["include"] == ["reasoning.encrypted_content"] and "stop" not in body


def test_stop_sequences_are_enforced_and_names_are_the_clients():
    name = json.loads(OUTBOUND.encode_request(ASKED, ENDPOINT, stream=True))["tools"][0]["name"]
    decoder = OUTBOUND.decoder(ASKED, ENDPOINT)
    stream = [
        CREATED,
        item("added", 0, **{**CALL, "name": name}),
        item("done", 0, **CALL),
        delta("output_text", 1, "one E"),
        delta("output_text", 1, "ND two"),
        DONE,
    ]
    events = [event for one in stream for event in decoder.feed(frame(one))]
    assert next(event.name for event in events if isinstance(event, ToolCallStarted)) == "f.x"
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "one "
    assert events[-1].stop_sequence == "END"
    whole = json.dumps({"output": [{"type": "message", "content": [{"type": "output_text", "text": "one END two"}]}]}).encode()
    events = OUTBOUND.decode_response(whole, ASKED, ENDPOINT)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["one "]
    assert isinstance(OUTBOUND.decode_response(whole)[-1], Finished)


def test_errors():
    body = b'{"error":{"message":"context length exceeded","code":"context_length_exceeded"}}'
    error = OUTBOUND.read_error(400, {}, body)
    assert isinstance(error, UpstreamRejected) and (error.code, error.dialect) == ("context_length_exceeded", "responses")
    assert OUTBOUND.read_error(200, {}, b"nonsense") is None
