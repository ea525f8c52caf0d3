"""Items of a Responses request as turns: each kind in its nearest form, none an error because of its type."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.domain.conversation import Audio, Document, Image, RedactedThinking, Role, Text, Thinking, ToolCall, ToolResult
from octoroute.errors import BadRequest
from tests.support.dialects.responses import question
from tests.support.laws.work import Work

HELLO = {"role": "user", "content": "hi"}
IMAGE = "data:image/png;base64,AA"
TOOLS = [
    {"type": "custom", "name": "patch"},
    {"type": "namespace", "name": "zoo", "tools": [{"type": "function", "name": "feed"}]},
    {"type": "tool_search", "execution": "client"},
]


def blocks(*items, tools=TOOLS, notes=()):
    conversation = question([HELLO, *items], tools=tools)
    assert conversation.ignored == tuple(notes)
    return [(turn.role, block) for turn in conversation.turns[1:] for block in turn.content]


ASSISTANT, USER = Role.ASSISTANT, Role.USER
CASES = {
    "a call of a custom tool": (
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": 'a "b"', "status": "completed", "id": "ctc_1"},
        [(ASSISTANT, ToolCall("c", "patch", '{"input":"a \\"b\\""}'))],
    ),
    "its output": (
        {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
        [(USER, ToolResult("c", (Text("done"),)))],
    ),
    "a call in a namespace": (
        {"type": "function_call", "call_id": "c", "name": "feed", "namespace": "zoo", "arguments": "{}"},
        [(ASSISTANT, ToolCall("c", "zoo__feed", "{}"))],
    ),
    "a call whose namespace was lost": (
        {"type": "function_call", "call_id": "c", "name": "feed", "arguments": "{}"},
        [(ASSISTANT, ToolCall("c", "zoo__feed", "{}"))],
    ),
    "a call of a tool that is no longer offered": (
        {"type": "function_call", "call_id": "c", "name": "old", "namespace": "attic", "arguments": "{}"},
        [(ASSISTANT, ToolCall("c", "attic__old", "{}"))],
    ),
    "arguments that are an object": (
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": {"a": 1}},
        [(ASSISTANT, ToolCall("c", "f", '{"a":1}'))],
    ),
    "a search for tools": (
        {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {"query": "x"}},
        [(ASSISTANT, ToolCall("c", "tool_search", '{"query":"x"}'))],
    ),
    "a search that found nothing": (
        {"type": "tool_search_output", "call_id": "c", "tools": []},
        [(USER, ToolResult("c", (Text("(no tools found)"),)))],
    ),
    "a search at OpenAI": ({"type": "tool_search_call", "execution": "server", "call_id": None, "arguments": {}}, []),
    "a shell command of the client": (
        {"type": "local_shell_call", "call_id": "c", "status": "completed", "action": {"type": "exec", "command": ["ls"]}},
        [(ASSISTANT, ToolCall("c", "local_shell", '{"type":"exec","command":["ls"]}'))],
    ),
    "its output by id": (
        {"type": "local_shell_call_output", "id": "c", "output": "a.txt"},
        [(USER, ToolResult("c", (Text("a.txt"),)))],
    ),
    "output of a shell in parts of its own": (
        {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit"}}]},
        [(USER, ToolResult("c", (Text('{"stdout":"a","stderr":"","outcome":{"type":"exit"}}'),)))],
    ),
    "a patch": (
        {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
        [(ASSISTANT, ToolCall("c", "apply_patch", '{"type":"delete_file","path":"a"}'))],
    ),
    "a patch that says only its status": ({"type": "apply_patch_call_output", "call_id": "c"}, [(USER, ToolResult("c"))]),
    "a screenshot": (
        {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "image_url": IMAGE}},
        [(USER, ToolResult("c", (Image(media_type="image/png", data="AA"),)))],
    ),
    "a call of a server's tool, and its result": (
        {"type": "mcp_call", "id": "m", "server_label": "web", "name": "get", "arguments": '{"u":1}', "output": "page"},
        [(ASSISTANT, ToolCall("m", "web__get", '{"u":1}')), (USER, ToolResult("m", (Text("page"),)))],
    ),
    "a call of a server's tool that failed": (
        {"type": "mcp_call", "id": "m", "server_label": "web", "name": "get", "arguments": "{}", "error": {"code": 1}},
        [(ASSISTANT, ToolCall("m", "web__get", "{}")), (USER, ToolResult("m", (Text('{"code":1}'),)))],
    ),
    "code that ran at OpenAI": (
        {"type": "code_interpreter_call", "id": "m", "code": "1+1", "outputs": [{"type": "logs", "logs": "2"}]},
        [
            (ASSISTANT, ToolCall("m", "code_interpreter", '{"code":"1+1"}')),
            (USER, ToolResult("m", (Text('{"type":"logs","logs":"2"}'),))),
        ],
    ),
    "parts of an output": (
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": IMAGE}],
        },
        [(USER, ToolResult("c", (Text("a"), Image(media_type="image/png", data="AA"))))],
    ),
    "an output in a shape of the client's own": (
        {"type": "function_call_output", "call_id": "c", "output": {"content": "a", "success": False}},
        [(USER, ToolResult("c", (Text('{"content":"a","success":false}'),)))],
    ),
    "an output of no call": ({"type": "function_call_output", "output": "news"}, [(USER, Text("news"))]),
    "a message of another agent": (
        {"type": "agent_message", "author": "/root/a", "recipient": "/root", "content": [{"type": "input_text", "text": "found"}]},
        [(USER, Text("(message from the agent /root/a)")), (USER, Text("found"))],
    ),
    "a message with a phase": (
        {
            "type": "message",
            "role": "assistant",
            "id": "msg_1",
            "status": "completed",
            "phase": "commentary",
            "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}],
        },
        [(ASSISTANT, Text("a")), (ASSISTANT, Text("b"))],
    ),
    "files and sounds": (
        {
            "role": "user",
            "content": [
                {"type": "input_file", "file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"},
                {"type": "input_file", "file_url": "https://x/y.pdf"},
                {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
            ],
        },
        [
            (USER, Document(media_type="application/pdf", data="AA", title="a.pdf")),
            (USER, Document(url="https://x/y.pdf")),
            (USER, Audio("AA", "wav")),
        ],
    ),
    "reasoning of a server that shows it": (
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "list"}]},
        [(ASSISTANT, Thinking("list"))],
    ),
    "reasoning in summary": (
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": None},
        [(ASSISTANT, Thinking("hm"))],
    ),
    "reasoning that octoroute signed": (
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "octo.1.gemini.Er=="},
        [(ASSISTANT, Thinking("hm", signature="Er==", origin="gemini"))],
    ),
    "reasoning that octoroute hid": (
        {"type": "reasoning", "summary": [], "encrypted_content": "octo.1.redacted.blob"},
        [(ASSISTANT, RedactedThinking("blob"))],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_nearest_form(case):
    item, expected = CASES[case]
    assert blocks(item) == expected


@pytest.mark.parametrize(
    "kind",
    ["web_search_call", "mcp_list_tools", "configuration_update", "of_next_year"],
)
def test_what_has_no_form_is_named_once(kind):
    item = {"type": kind, "id": "x", "status": "completed", "action": {"type": "search"}, "result": "AAAA"}
    assert blocks(item, item, notes=[f"input items of type {kind}"]) == []


def test_what_only_openai_can_read_is_named():
    notes = ["encrypted reasoning in input", "parts of type encrypted_content in input"]
    secret = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}
    part = {"type": "agent_message", "content": [{"type": "encrypted_content", "encrypted_content": "x"}]}
    assert blocks(secret, part, notes=notes) == []


def test_tools_that_a_search_found_can_be_called():
    group = {"type": "namespace", "name": "mcp__a", "tools": [{"type": "function", "name": "tell"}]}
    conversation = question(
        [
            HELLO,
            {"type": "tool_search_call", "call_id": "s", "arguments": {"query": "x"}},
            {"type": "tool_search_output", "call_id": "s", "tools": [group, {"type": "function"}, {"type": "custom", "name": 1}]},
            {"type": "additional_tools", "role": "developer", "tools": [{"type": "custom", "name": "note"}]},
        ],
        tools=TOOLS,
    )
    assert [tool.name for tool in conversation.tools] == ["patch", "zoo__feed", "tool_search", "mcp__a__tell", "note"]
    assert conversation.turns[-1].content == (ToolResult("s", (Text("mcp__a__tell: can be called now"),)),)


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"role": "wizard", "content": "x"}, "input[1].role"),
        ({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}, "input[1].content[0]"),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "file:///etc/passwd"}]},
            "input[1].content[0].image_url",
        ),
        ({"type": "function_call", "name": "f"}, "input[1]"),
        ({"type": "item_reference", "id": "x"}, "input[1]"),
    ],
)
def test_what_would_be_lost_in_silence_is_refused(item, param):
    with pytest.raises(BadRequest) as caught:
        question([HELLO, item])
    assert caught.value.param == param


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "image_url", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)
KINDS = [
    "custom_tool_call",
    "custom_tool_call_output",
    "tool_search_call",
    "tool_search_output",
    "local_shell_call",
    "mcp_call",
    "file_search_call",
    "computer_call_output",
    "agent_message",
    "additional_tools",
    "compaction",
    "web_search_call",
    "invented",
]
FIELDS = ["call_id", "id", "name", "namespace", "arguments", "input", "output", "tools", "action", "queries", "content", "error"]


@settings(max_examples=300)
@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), anything, max_size=6))
def test_a_tool_item_of_any_shape_is_passed_on_or_named(kind, fields):
    try:
        json.dumps([str(block) for block in question([HELLO, {"type": kind, **fields}]).turns])
    except BadRequest as error:
        assert error.param and error.param.startswith("input[1]")


def test_many_kinds_of_unknown_items_are_named_in_linear_time():
    def decode(count: int) -> None:
        assert len(question([HELLO, *({"type": f"x{number}"} for number in range(count))]).ignored) == count

    small, large = (Work().of(lambda count=count: decode(count)) for count in (50, 500))
    assert large < 11 * small
