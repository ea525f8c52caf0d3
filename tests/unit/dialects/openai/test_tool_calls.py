"""Fragments of streamed tool calls: which call they belong to, and their order."""

from __future__ import annotations

import pytest

from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.domain.conversation import Tool
from octoroute.domain.events import Failed, Finished
from tests.support.anthropic_stream import check
from tests.support.chunks import DONE, chunk, numbered, tool, tools
from tests.support.dialects.chat_to_messages_stream import translate
from tests.support.dialects.laws import to_client


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


TOOLS = (Tool(name="Bash"), Tool(name="read"), Tool(name="read_file"), Tool(name="mcp.x"))


def called(*frames, finish="tool_calls"):
    """(name, input) of each call, by a decoder that knows the tools."""
    decoder = OpenAIDecoder(tools=TOOLS)
    raw, _ = to_client(decoder, AnthropicEncoder(model="m", new_id=numbered()), [*frames, chunk(finish), DONE])
    message = check(raw)
    assert len({block["id"] for block in message["content"]}) == len(message["content"])
    return [(block["name"], block["input"]) for block in message["content"]]


@pytest.mark.parametrize("parts", [("Ba", "sh"), ("B", "as", "h"), ("Bash", "Bash"), ("Ba", "Bash"), ("read", "_file"), ("read_", "file")])  # fmt: skip
@pytest.mark.parametrize("index", [0, None])
def test_a_name_in_parts_or_repeated_is_one_name(parts, index):
    frames = [tools(tool(index, "a" if at == 0 else None, part, "")) for at, part in enumerate(parts)]
    name = parts[-1] if parts[-1] == "Bash" else "".join(parts)
    assert called(*frames, tools(tool(index, args='{"c":1}'))) == [(name, {"c": 1})]


def test_a_name_in_parts_without_known_tools():
    message = translate(tools(tool(0, "a", "Ba", "")), tools(tool(0, None, "sh", '{"c":1}')), chunk("tool_calls"), DONE)
    assert [(block["name"], block["input"]) for block in message["content"]] == [("Bash", {"c": 1})]


def test_two_tools_under_one_index_without_ids_or_arguments_are_two_calls():
    assert called(tools(tool(0, None, "Bash", "")), tools(tool(0, None, "read", ""))) == [("Bash", {}), ("read", {})]


def test_an_id_in_parts_costs_nothing():
    frames = [tools(tool(0, "call_", None, "")), tools(tool(0, "12", "Bash", "")), tools(tool(0, args='{"c":1}'))]
    assert called(*frames) == [("Bash", {"c": 1})]


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("names", [("Bash", "read"), ("Bash", "Bash")])
def test_parallel_calls_with_one_id_are_told_apart(names, announced):
    frames = [tools(tool(at, "same", name, "" if announced else f'{{"n":{at}}}')) for at, name in enumerate(names)]
    frames += [tools(tool(at, args=f'{{"n":{at}}}')) for at in range(2)] if announced else []
    assert called(*frames) == [(name, {"n": at}) for at, name in enumerate(names)]


@pytest.mark.parametrize("named", ["functions.Bash", "Bash<|channel|>commentary", " Bash", "functions.Bash:0"])
def test_what_servers_add_to_a_name_is_taken_off(named):
    assert called(tools(tool(0, "a", named, '{"c":1}'))) == [("Bash", {"c": 1})]


def test_the_name_of_an_unknown_tool_stays():
    assert called(tools(tool(0, "a", "no_such_tool", '{"c":1}'))) == [("no_such_tool", {"c": 1})]


def test_all_calls_again_at_the_end_are_the_same_calls():
    first = [tools(tool(at, f"c{at}", "Bash", "")) for at in range(2)]
    parts = [tools(tool(at, args=part)) for part in ('{"n":', "1}") for at in range(2)]
    again = tools(*(tool(at, f"c{at}", "Bash", '{"n": 1}') for at in range(2)))
    assert called(*first, *parts, again) == [("Bash", {"n": 1})] * 2


def test_placeholders_of_parallel_calls():
    first = tools(*(tool(at, f"c{at}", "Bash", "{}") for at in range(2)))
    assert called(first, *(tools(tool(at, args=f'{{"n":{at}}}')) for at in range(2))) == [("Bash", {"n": 0}), ("Bash", {"n": 1})]


@pytest.mark.parametrize("arguments", ["ls -l", '["ls"]', '{"c":1', '{"c":1}{"c":2}', 7, True])
@pytest.mark.parametrize("known", [True, False])
def test_a_call_whose_arguments_are_no_object_is_an_error(arguments, known):
    decoder = OpenAIDecoder(tools=TOOLS if known else ())
    events = decoder.feed(tools(tool(0, "a", "Bash", arguments)) + chunk("tool_calls") + DONE)
    assert isinstance(events[-1], Failed)
    assert not any(isinstance(event, Finished) for event in events)
