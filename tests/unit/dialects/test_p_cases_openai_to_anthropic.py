"""P-cases of the stream from an OpenAI-like upstream to an Anthropic client: each one a bug that some gateway had."""

from __future__ import annotations

import pytest

from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.dialects.response.sse import FrameSplitter
from octoroute.domain.conversation import Conversation, Tool
from octoroute.domain.events import Failed, Finished, FinishReason
from tests.support.anthropic_stream import check
from tests.support.chunks import DONE, chunk, numbered, sse, tool, tools, usage


def translate(*frames: bytes, show_thinking: bool = True, names=None, complete: bool = True, input_tokens: int = 0):
    decoder = OpenAIDecoder(names)
    encoder = AnthropicEncoder(model="auto", input_tokens=input_tokens, show_thinking=show_thinking, new_id=numbered())
    raw = b"".join(encoder.encode(decoder.feed(frame)) for frame in frames) + encoder.encode(decoder.end())
    return check(raw, complete=complete)


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


def test_p05_tool_call_beats_finish_stop():
    message = translate(tools(tool(0, "c1", "f", "{}")), chunk("stop"), DONE)
    assert message["stop_reason"] == "tool_use"


def test_p06_three_parallel_calls():
    message = translate(
        *(
            tools(tool(index, *(head if part == 0 else (None, None)), args=text))
            for index, head in enumerate((("c0", "f"), ("c1", "g"), ("c2", "h")))
            for part, text in enumerate(('{"n":', f"{index}", "}"))
        ),
        chunk("tool_calls"),
        DONE,
    )
    assert [(block["name"], block["input"]) for block in message["content"]] == [("f", {"n": 0}), ("g", {"n": 1}), ("h", {"n": 2})]


def test_p07_two_calls_under_one_index():
    message = translate(tools(tool(0, "c1", "f", '{"a":1}')), tools(tool(0, "c2", "f", '{"a":2}')), chunk("tool_calls"), DONE)
    assert [(block["id"], block["input"]) for block in message["content"]] == [("c1", {"a": 1}), ("c2", {"a": 2})]


def test_p07_two_calls_under_one_index_without_ids():
    message = translate(tools(tool(0, None, "f", '{"a":1}')), tools(tool(0, None, "f", '{"a":2}')), chunk("tool_calls"), DONE)
    assert [block["input"] for block in message["content"]] == [{"a": 1}, {"a": 2}]
    assert all(block["id"].startswith("toolu_") for block in message["content"])


def test_p08_calls_without_index():
    message = translate(
        tools(tool(None, "c1", "f", '{"a":1}')),
        tools(tool(None, "c2", "g", '{"b":')),
        tools(tool(None, None, None, "2}")),
        chunk("tool_calls"),
        DONE,
    )
    assert [block["input"] for block in message["content"]] == [{"a": 1}, {"b": 2}]


def test_p09_fragments_alternate():
    message = translate(
        tools(tool(0, "c0", "f", '{"a":')),
        tools(tool(1, "c1", "g", '{"b":1}')),
        tools(tool(0, args="1}")),
        chunk("tool_calls"),
        DONE,
    )
    assert [(block["name"], block["input"]) for block in message["content"]] == [("f", {"a": 1}), ("g", {"b": 1})]


def test_p09_calls_announced_before_any_arguments():
    message = translate(
        tools(tool(0, "c0", "f", "")),
        tools(tool(1, "c1", "g", "")),
        tools(tool(1, args='{"b":')),
        tools(tool(0, args='{"a":1}')),
        tools(tool(1, args="1}")),
        chunk("tool_calls"),
        DONE,
    )
    assert [(block["name"], block["input"]) for block in message["content"]] == [("f", {"a": 1}), ("g", {"b": 1})]


def test_p09_a_fragment_for_a_complete_call_is_an_error():
    message = translate(
        tools(tool(0, "c0", "f", '{"a":1}')), tools(tool(1, "c1", "g", '{"b":1}')), tools(tool(0, args="oops")), complete=False
    )
    assert message["error"]["type"] == "api_error"


def test_p10_id_and_name_repeated():
    message = translate(
        tools(tool(0, "c1", "read", '{"p":')),
        tools(tool(0, "c1", "read", '"x"')),
        tools(tool(0, "c1", "read", "}")),
        chunk("stop"),
        DONE,
    )
    (block,) = message["content"]
    assert (block["name"], block["input"]) == ("read", {"p": "x"})


def test_p10_a_new_id_for_every_fragment():
    message = translate(tools(tool(0, "c1", "read", '{"p":')), tools(tool(0, "c2", None, "1}")), chunk("stop"), DONE)
    (block,) = message["content"]
    assert (block["id"], block["input"]) == ("c1", {"p": 1})


def test_p11_arguments_with_the_name():
    message = translate(tools(tool(0, "c1", "f", '{"a":')), tools(tool(0, args="1}")), chunk("tool_calls"), DONE)
    assert message["content"][0]["input"] == {"a": 1}


def test_p11_arguments_before_the_name():
    message = translate(tools(tool(0, "c1", None, '{"a":')), tools(tool(0, None, "f", "1}")), chunk("tool_calls"), DONE)
    assert (message["content"][0]["name"], message["content"][0]["input"]) == ("f", {"a": 1})


@pytest.mark.parametrize("arguments", ["", None])
def test_p12_no_arguments(arguments):
    message = translate(tools(tool(0, "c1", "now", arguments)), chunk("tool_calls"), DONE)
    assert message["content"][0]["raw"] == "" and message["content"][0]["input"] == {}
    assert message["events"].count("content_block_delta") == 0


def test_p13_arguments_as_an_object():
    message = translate(tools(tool(0, "c1", "f", {"a": [1, "é"]})), chunk("tool_calls"), DONE)
    assert message["content"][0]["input"] == {"a": [1, "é"]}
    assert message["events"].count("content_block_delta") == 1


def test_p14_arguments_cut_by_the_token_limit():
    message = translate(tools(tool(0, "c1", "f", '{"path":"/a')), chunk("length"), DONE)
    assert message["content"][0]["raw"] == '{"path":"/a'
    assert message["stop_reason"] == "max_tokens"


def test_p15_usage_after_the_finish():
    message = translate(chunk(content="Hi"), chunk("stop"), usage(11, 7), DONE)
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (11, 7)


def test_p15_nothing_ends_at_the_finish_reason():
    decoder = OpenAIDecoder()
    assert not any(isinstance(event, Finished) for event in decoder.feed(chunk(content="Hi") + chunk("stop")))
    assert isinstance(decoder.feed(usage() + DONE)[-1], Finished)


def test_p16_no_usage_is_estimated():
    message = translate(chunk(content="four words of text"), chunk("stop"), DONE, input_tokens=40)
    assert message["usage"]["input_tokens"] == 40
    assert message["usage"]["output_tokens"] > 0


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


def test_p30_no_ping_before_the_start():
    from octoroute.domain.events import Ping

    encoder = AnthropicEncoder(model="auto", new_id=numbered())
    assert encoder.encode([Ping()]) == b""


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


def test_p62_surplus_stop_sequences_are_enforced():
    from octoroute.dialects.response.filters import StopSequenceFilter

    encoder = AnthropicEncoder(model="auto", new_id=numbered())
    decoder = StopSequenceFilter(OpenAIDecoder(), ["</end>", "STOP"])
    raw = b"".join(
        encoder.encode(decoder.feed(frame))
        for frame in (chunk(content="Hello </e"), chunk(content="m> and </"), chunk(content="end> never"), chunk(content="x"))
    )
    message = check(raw)
    assert message["content"][0]["text"] == "Hello </em> and "
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "</end>")


def test_p66_tool_names_come_back_as_the_client_wrote_them():
    from octoroute.dialects.request.ids import client_names, safe_name

    name = "mcp__" + "x" * 85 + ".read"
    names = client_names(Conversation(turns=(), tools=(Tool(name=name),)))
    message = translate(tools(tool(0, "c1", safe_name(name), "{}")), chunk("stop"), DONE, names=names)
    assert message["content"][0]["name"] == name


def test_p91_a_first_chunk_of_filter_results_is_no_answer_yet():
    decoder = OpenAIDecoder()
    assert list(decoder.feed(sse({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}))) == []
    assert len(decoder.feed(chunk(content="Hi"))) == 2


def test_p94_cached_tokens_are_taken_from_the_input():
    message = translate(chunk(content="x"), chunk("stop"), usage(1000, 1, prompt_tokens_details={"cached_tokens": 400}), DONE)
    assert (message["usage"]["input_tokens"], message["usage"]["cache_read_input_tokens"]) == (600, 400)
    more = translate(chunk(content="x"), chunk("stop"), usage(10, 1, prompt_tokens_details={"cached_tokens": 400}), DONE)
    assert more["usage"]["input_tokens"] == 0


def test_p94_deepseeks_name_for_cached_tokens():
    message = translate(chunk(content="x"), chunk("stop"), usage(1000, 1, prompt_cache_hit_tokens=400), DONE)
    assert message["usage"]["cache_read_input_tokens"] == 400


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


def test_finish_reasons_that_mean_failure():
    events = OpenAIDecoder().feed(chunk(content="x") + chunk("insufficient_system_resource") + DONE)
    assert isinstance(events[-1], Failed)


def test_stop_reason_of_vllm_names_the_sequence():
    frame = sse({"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop", "stop_reason": "END"}]})
    message = translate(frame, DONE)
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")


@pytest.mark.parametrize(
    ("cuts", "thinking", "text"),
    [
        (["<think>why</think>Hi"], "why", "Hi"),
        (["<th", "ink>w", "hy</t", "hink>", "\n\nHi"], "why", "Hi"),
        (["<think>never closed"], "never closed", None),
        (["No <think>tags</think> here"], None, "No <think>tags</think> here"),
        (["<b>bold</b>"], None, "<b>bold</b>"),
    ],
)
def test_think_tags(cuts, thinking, text):
    from octoroute.dialects.response.filters import ThinkTagFilter

    encoder = AnthropicEncoder(model="auto", new_id=numbered())
    decoder = ThinkTagFilter(OpenAIDecoder())
    raw = b"".join(encoder.encode(decoder.feed(frame)) for frame in [*(chunk(content=cut) for cut in cuts), chunk("stop"), DONE])
    content = check(raw)["content"]
    assert [block["thinking"] for block in content if block["type"] == "thinking"] == ([thinking] if thinking else [])
    assert [block["text"] for block in content if block["type"] == "text"] == ([text] if text else [])


def test_only_the_first_of_several_choices():
    frame = sse({"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]})
    assert translate(frame, chunk("stop"), DONE)["content"][0]["text"] == "a"


def test_finished_reason_is_settled_by_content():
    (*_, last) = OpenAIDecoder().feed(chunk(content="x") + chunk("eos") + DONE)
    assert last == Finished(FinishReason.STOP, None, "eos")


def test_text_that_is_held_back_comes_before_the_tool_call():
    from octoroute.dialects.response.filters import StopSequenceFilter, ThinkTagFilter

    for make in (lambda: ThinkTagFilter(OpenAIDecoder()), lambda: StopSequenceFilter(OpenAIDecoder(), ["<end>"])):
        decoder, encoder = make(), AnthropicEncoder(model="auto", new_id=numbered())
        frames = [chunk(content="<"), tools(tool(0, "c", "f", "{}")), chunk("tool_calls"), usage(), DONE]
        content = check(b"".join(encoder.encode(decoder.feed(frame)) for frame in frames))["content"]
        assert [block["type"] for block in content] == ["text", "tool_use"] and content[0]["text"] == "<"


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
