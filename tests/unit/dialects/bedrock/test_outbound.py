"""Bedrock's servers as endpoints of the hub."""

from __future__ import annotations

import json

from octoroute.dialects.bedrock.event_stream import EventStreamSplitter
from octoroute.dialects.bedrock.outbound import BedrockOutbound
from octoroute.dialects.bedrock.usage_tap import ConverseUsageTap
from octoroute.domain.conversation import AnswerFormat, Conversation, Role, Text, Tool, Turn
from octoroute.domain.events import Finished, FinishReason, TextDelta, ToolCallStarted
from tests.support.event_streams import event, text_stream
from tests.support.spine import make_endpoint

OUTBOUND = BedrockOutbound()
HELLO = Turn(Role.USER, (Text("hello"),))
OLD = make_endpoint("e", kind="bedrock", model="anthropic.claude-3-haiku-20240307-v1:0")


def whole(*content, reason="tool_use") -> bytes:
    return json.dumps({"output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": reason}).encode()


def test_a_response_has_its_own_framer_tap_and_decoder():
    assert isinstance(OUTBOUND.framer(), EventStreamSplitter)
    assert OUTBOUND.framer() is not OUTBOUND.framer()
    assert isinstance(OUTBOUND.tap(), ConverseUsageTap)
    assert OUTBOUND.decoder() is not OUTBOUND.decoder()
    assert OUTBOUND.verifies_thinking


def test_the_request_is_the_same_whole_and_streamed():
    conversation = Conversation(turns=(HELLO,))
    assert OUTBOUND.encode_request(conversation, OLD, stream=True) == OUTBOUND.encode_request(conversation, OLD, stream=False)


def test_names_of_tools_become_the_clients_again():
    conversation = Conversation(turns=(HELLO,), tools=(Tool(name="a.tool/with odd", schema=None),))
    sent = json.loads(OUTBOUND.encode_request(conversation, OLD, stream=False))
    name = sent["toolConfig"]["tools"][0]["toolSpec"]["name"]
    events = OUTBOUND.decode_response(whole({"toolUse": {"toolUseId": "t", "name": name, "input": {}}}), conversation, OLD)
    assert ToolCallStarted(0, "t", "a.tool/with odd") in events


def test_a_forced_tools_input_is_the_answer():
    conversation = Conversation(turns=(HELLO,), format=AnswerFormat(schema={"type": "object", "properties": {}}))
    call = {"toolUse": {"toolUseId": "t", "name": "structured_answer", "input": {"a": 1}}}
    events = OUTBOUND.decode_response(whole(call), conversation, OLD)
    assert json.loads("".join(found.text for found in events if isinstance(found, TextDelta))) == {"a": 1}
    assert events[-1] == Finished(FinishReason.STOP, None, "tool_use")


def test_stop_sequences_of_blanks_are_enforced_here():
    conversation = Conversation(turns=(HELLO,), stop=("\n\n",))
    assert "stopSequences" not in json.loads(OUTBOUND.encode_request(conversation, OLD, stream=True))["inferenceConfig"]
    decoder = OUTBOUND.decoder(conversation, OLD)
    events = [*decoder.feed(b"".join(text_stream("one\n", "\ntwo"))), *decoder.end()]
    assert "".join(found.text for found in events if isinstance(found, TextDelta)) == "one"


def test_without_a_conversation_nothing_is_filtered():
    decoder = OUTBOUND.decoder()
    assert decoder.feed(event("messageStart", role="assistant"))
    assert OUTBOUND.read_count(b"{}") is None
