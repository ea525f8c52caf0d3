"""The Messages stream a client gets: blocks, usage, and its end."""

from __future__ import annotations

from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from tests.support.anthropic_stream import check
from tests.support.chunks import DONE, chunk, numbered, tool, tools
from tests.support.dialects.chat_to_messages_stream import translate


def kinds(message) -> list[str]:
    return [block["type"] for block in message["content"]]


def test_p01_reasoning_and_text_in_one_chunk():
    message = translate(chunk(reasoning_content="think"), chunk(reasoning_content=" end", content="Hi"), chunk("stop"), DONE)
    assert kinds(message) == ["thinking", "text"]
    assert message["content"][0]["thinking"] == "think end"
    assert message["content"][1]["text"] == "Hi"


def test_p02_reasoning_tool_reasoning_text():
    message = translate(
        chunk(reasoning_content="a"),
        tools(tool(0, "c1", "f", "{}")),
        chunk(reasoning_content="b"),
        chunk(content="c"),
        chunk("stop"),
        DONE,
    )
    assert kinds(message) == ["thinking", "tool_use", "thinking", "text"]


def test_p03_text_tool_text():
    message = translate(chunk(content="a"), tools(tool(0, "c1", "f", '{"x":1}')), chunk(content="b"), chunk("tool_calls"), DONE)
    assert kinds(message) == ["text", "tool_use", "text"]
    assert message["content"][1]["input"] == {"x": 1}


def test_p04_role_and_empty_content_open_nothing():
    message = translate(chunk(role="assistant", content=""), tools(tool(0, "c1", "f", "{}")), chunk("tool_calls"), DONE)
    assert kinds(message) == ["tool_use"]


def test_p16_no_usage_is_estimated():
    message = translate(chunk(content="four words of text"), chunk("stop"), DONE, input_tokens=40)
    assert message["usage"]["input_tokens"] == 40
    assert message["usage"]["output_tokens"] > 0


def test_p30_no_ping_before_the_start():
    from octoroute.domain.events import Ping

    encoder = AnthropicEncoder(model="auto", new_id=numbered())
    assert encoder.encode([Ping()]) == b""


def test_p115_the_requested_model_is_told():
    assert translate(chunk(content="x"), chunk("stop"), DONE)["model"] == "auto"


def test_p116_answers_share_nothing():
    pairs = [(OpenAIDecoder(), AnthropicEncoder(model=str(number), new_id=numbered())) for number in range(200)]
    raw = [b""] * 200
    for frame in (chunk(reasoning_content="t"), chunk(content="x"), tools(tool(0, "c", "f", '{"a":')), tools(tool(0, args="1}"))):
        for number, (decoder, encoder) in enumerate(pairs):
            raw[number] += encoder.encode(decoder.feed(frame))
    for number, (decoder, encoder) in enumerate(pairs):
        message = check(raw[number] + encoder.encode(decoder.feed(chunk("stop") + DONE)))
        assert (message["model"], message["content"][2]["input"]) == (str(number), {"a": 1})


def test_thinking_is_not_shown_to_who_did_not_ask():
    message = translate(chunk(reasoning_content="hm"), chunk(content="Hi"), chunk("stop"), DONE, show_thinking=False)
    assert kinds(message) == ["text"]


def test_a_refusal_is_text_with_its_own_stop_reason():
    message = translate(chunk(refusal="I can't"), chunk("stop"), DONE)
    assert (message["content"][0]["text"], message["stop_reason"]) == ("I can't", "refusal")


def test_nothing_follows_an_error():
    from octoroute.dialects.openai.stream_encoder import OpenAIEncoder
    from octoroute.domain.events import TextDelta
    from octoroute.errors import BadUpstreamResponse

    for encoder in (AnthropicEncoder(model="auto"), OpenAIEncoder(model="auto", created_s=1)):
        encoder.encode([TextDelta("a")])
        assert (
            encoder.fail(BadUpstreamResponse("x"), "r")
            and not encoder.encode([TextDelta("b")])
            and not encoder.fail(BadUpstreamResponse("x"), "r")
        )
