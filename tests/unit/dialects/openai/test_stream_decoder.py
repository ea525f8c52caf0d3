"""Streams of OpenAI-compatible servers, checked through the Messages stream that a client gets."""

from __future__ import annotations

import pytest

from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.dialects.response.sse import FrameSplitter
from octoroute.domain.events import Failed, Finished, FinishReason
from tests.support.chunks import DONE, chunk, sse, tool, tools, usage
from tests.support.dialects.chat_to_messages_stream import translate


def test_p05_tool_call_beats_finish_stop():
    message = translate(tools(tool(0, "c1", "f", "{}")), chunk("stop"), DONE)
    assert message["stop_reason"] == "tool_use"


def test_p15_usage_after_the_finish():
    message = translate(chunk(content="Hi"), chunk("stop"), usage(11, 7), DONE)
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (11, 7)


def test_p15_nothing_ends_at_the_finish_reason():
    decoder = OpenAIDecoder()
    assert not any(isinstance(event, Finished) for event in decoder.feed(chunk(content="Hi") + chunk("stop")))
    assert isinstance(decoder.feed(usage() + DONE)[-1], Finished)


def test_p17_the_last_usage_is_whole():
    message = translate(chunk(content="Hi"), chunk("stop"), usage(100, 7, prompt_tokens_details={"cached_tokens": 60}), DONE)
    assert message["usage"] == {
        "input_tokens": 40,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 60,
        "output_tokens": 7,
    }


def test_p20_end_of_file_without_an_end():
    decoder = OpenAIDecoder()
    decoder.feed(chunk(content="Hal"))
    assert list(decoder.end()) == []


def test_p20_end_of_file_after_a_finish_reason_is_an_end():
    assert translate(chunk(content="Hi"), chunk("stop"))["stop_reason"] == "end_turn"


def test_p20_done_without_a_finish_reason():
    assert translate(tools(tool(0, "c", "f", "{}")), DONE)["stop_reason"] == "tool_use"
    assert translate(chunk(content="x"), DONE)["stop_reason"] == "end_turn"


def test_p21_reset_inside_a_tool_call():
    message = translate(tools(tool(0, "c1", "f", '{"a"')), complete=False)
    assert "message_stop" not in message["events"] and "content_block_stop" not in message["events"]


@pytest.mark.parametrize("at", range(1, 60, 7))
def test_p23_an_error_event_cut_in_two(at):
    raw = sse({"error": {"message": "overloaded", "type": "server_error", "code": "server_is_overloaded"}})
    cutter, decoder, events = FrameSplitter(), OpenAIDecoder(), []
    for part in (raw[:at], raw[at:]):
        events += decoder.feed(cutter.feed(part))
    assert [(type(event), event.kind) for event in events] == [(Failed, "overloaded_error")]


def test_p25_an_error_in_mid_stream():
    message = translate(
        chunk(content="Hi"), sse({"error": {"message": "busy", "code": 529}}), chunk(content="no more"), complete=False
    )
    assert message["error"]["type"] == "overloaded_error"
    assert message["content"][0]["text"] == "Hi"


def test_p25_an_error_event_by_name():
    message = translate(chunk(content="Hi"), b'event: error\ndata: {"message": "boom"}\n\n', complete=False)
    assert message["error"] == {"type": "api_error", "message": "boom"}


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x0c", "\u00e9", "😀", "漢字"])
def test_p31_p32_odd_characters_stay_whole(odd):
    raw = (
        sse(b'{"choices":[{"index":0,"delta":{"content":"a%bb"}}]}' % odd.encode().replace(b"\x0c", b"\\f")) + chunk("stop") + DONE
    )
    for at in range(len(raw)):
        cutter, decoder, events = FrameSplitter(), OpenAIDecoder(), []
        for part in (raw[:at], raw[at:]):
            events += decoder.feed(cutter.feed(part))
        assert events[1].text == f"a{odd}b"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_p33_line_ends_comments_and_several_data_lines(end):
    raw = end.join([b": hello", b'data:{"choices":[{"index":0,', b'data: "delta":{"content":"Hi"}}]}', b"id: 7", b"", b""])
    events = OpenAIDecoder().feed(FrameSplitter().feed(raw))
    assert events[1].text == "Hi"


def test_p34_an_event_of_two_megabytes():
    text = "x" * 2_000_000
    assert translate(chunk(content=text), chunk("stop"), DONE)["content"][0]["text"] == text


def test_p91_a_first_chunk_of_filter_results_is_no_answer_yet():
    decoder = OpenAIDecoder()
    assert list(decoder.feed(sse({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}))) == []
    assert len(decoder.feed(chunk(content="Hi"))) == 2


def test_finish_reasons_that_mean_failure():
    events = OpenAIDecoder().feed(chunk(content="x") + chunk("insufficient_system_resource") + DONE)
    assert isinstance(events[-1], Failed)


def test_stop_reason_of_vllm_names_the_sequence():
    frame = sse({"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop", "stop_reason": "END"}]})
    message = translate(frame, DONE)
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")


def test_only_the_first_of_several_choices():
    frame = sse({"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]})
    assert translate(frame, chunk("stop"), DONE)["content"][0]["text"] == "a"


def test_finished_reason_is_settled_by_content():
    (*_, last) = OpenAIDecoder().feed(chunk(content="x") + chunk("eos") + DONE)
    assert last == Finished(FinishReason.STOP, None, "eos")
