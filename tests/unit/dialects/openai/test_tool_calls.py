"""Fragments of streamed tool calls: which call they belong to, and their order."""

from __future__ import annotations

import pytest

from tests.support.chunks import DONE, chunk, tool, tools
from tests.support.dialects.chat_to_messages_stream import translate


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
        tools(tool(0, "c0", "f", '{"a":1}')),
        tools(tool(1, "c1", "g", '{"b":1}')),
        tools(tool(0, args='{"c":3}')),
        chunk("tool_calls"),
        DONE,
        complete=False,
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
