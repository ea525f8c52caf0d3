"""Codex CLI with nothing configured but the address: its tools, its history, and its errors, in the shapes that it sends."""

from __future__ import annotations

import json

import pytest

from tests.support.chunks import DONE, chunk, tool, tools
from tests.support.fake import stream, whole
from tests.support.live_gateway import endpoint
from tests.support.responses_stream import check, events_of

PATH = "/v1/responses"
RUN = {
    "type": "function",
    "name": "exec_command",
    "description": "Runs a command.",
    "strict": False,
    "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"], "additionalProperties": False},
}
AGENTS = {
    "type": "namespace",
    "name": "multi_agent_v1",
    "description": "Other agents.",
    "tools": [{**RUN, "name": "spawn_agent"}, {**RUN, "name": "close_agent"}],
}
SERVER = {"type": "namespace", "name": "mcp__zoo", "description": "", "tools": [{**RUN, "name": "exec_command"}]}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files; FREEFORM.",
    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch"'},
}
SEARCH = {"type": "tool_search", "execution": "client", "description": "Finds tools.", "parameters": RUN["parameters"]}
WEB = {"type": "web_search", "external_web_access": False}
ALL = [RUN, AGENTS, SERVER, PATCH, SEARCH, WEB]


def says(text, role="user"):
    return {"type": "message", "id": "msg_1", "role": role, "content": [{"type": "input_text", "text": text}]}


ASKED = {
    "model": "model-a",
    "stream": True,
    "store": False,
    "input": [says("You are Codex.", "developer"), says("<environment_context></environment_context>"), says("fix it")],
    "tools": ALL,
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "thread-1",
    "client_metadata": {"thread_id": "thread-1"},
}


def calls(name, *arguments):
    pieces = [tools(tool(0, args=piece)) for piece in arguments]
    return stream([tools(tool(0, "call_1", name, "")), *pieces, chunk("tool_calls"), DONE])


async def answered(gateway, fake, step, **more):
    fake.then(step)
    response = await gateway.ask(ASKED, PATH, **more)
    assert response.status_code == 200, response.text
    return response, check(response.content)["output"]


async def test_every_tool_is_offered_under_a_name_of_its_own_and_hosted_ones_are_named(gateway, fake):
    response, _ = await answered(gateway, fake, stream([chunk(content="hello"), chunk("stop"), DONE]))
    offered = [one["function"] for one in fake.requests[-1].json["tools"]]
    assert [one["name"] for one in offered] == [
        "exec_command",
        "multi_agent_v1__spawn_agent",
        "multi_agent_v1__close_agent",
        "mcp__zoo__exec_command",
        "apply_patch",
        "tool_search",
    ]
    assert "Other agents." in offered[1]["description"] and 'start: "*** Begin Patch"' in offered[4]["description"]
    assert all(one["parameters"]["properties"] for one in offered)
    assert "web_search" in response.headers["x-octoroute-warning"]


@pytest.mark.parametrize(
    ("name", "arguments", "item"),
    [
        ("exec_command", ['{"cmd":', '"ls"}'], {"type": "function_call", "name": "exec_command", "arguments": '{"cmd":"ls"}'}),
        (
            "mcp__zoo__exec_command",
            ['{"cmd":"ls"}'],
            {"type": "function_call", "name": "exec_command", "namespace": "mcp__zoo", "arguments": '{"cmd":"ls"}'},
        ),
        (
            "apply_patch",
            ['{"input":"*** Begin', ' Patch\\n+\\u00e9 \\"q\\" \\\\n"}'],
            {"type": "custom_tool_call", "name": "apply_patch", "input": '*** Begin Patch\n+é "q" \\n'},
        ),
        (
            "tool_search",
            ['{"query":"z', 'oo"}'],
            {"type": "tool_search_call", "execution": "client", "arguments": {"query": "zoo"}},
        ),
    ],
)
async def test_a_call_comes_back_as_its_tool_was_declared(gateway, fake, name, arguments, item):
    _, output = await answered(gateway, fake, calls(name, *arguments))
    assert {key: value for key, value in output[0].items() if key not in {"id", "status"}} == {"call_id": "call_1", **item}
    whole_answer = whole(
        {
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "tool_calls",
                    "message": {"tool_calls": [tool(0, "call_1", name, "".join(arguments))]},
                }
            ]
        }
    )
    fake.then(whole_answer)
    body = (await gateway.ask(ASKED, PATH, stream=False)).json()
    assert {key: value for key, value in body["output"][0].items() if key not in {"id", "status"}} == {"call_id": "call_1", **item}


async def test_text_for_a_patch_streams_while_it_is_written(gateway, fake):
    fake.then(calls("apply_patch", '{"input":"a\\', "nb", '"}'))
    events = events_of((await gateway.ask(ASKED, PATH)).content)
    assert [event["delta"] for event in events if event["type"] == "response.custom_tool_call_input.delta"] == ["a", "\nb"]


HISTORY = [
    says("fix it"),
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "list"}],
        "encrypted_content": None,
    },
    {"type": "function_call", "call_id": "c1", "name": "exec_command", "namespace": "mcp__zoo", "arguments": "{}", "id": "fc_1"},
    {"type": "function_call_output", "call_id": "c1", "output": "Exit code: 0"},
    {"type": "custom_tool_call", "call_id": "c2", "name": "apply_patch", "input": "*** Begin Patch", "status": "completed"},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": "Success"},
    {
        "type": "tool_search_call",
        "call_id": "c3",
        "execution": "client",
        "status": "completed",
        "arguments": {"query": "owl", "limit": 8},
    },
    {
        "type": "tool_search_output",
        "call_id": "c3",
        "execution": "client",
        "status": "completed",
        "tools": [{**SERVER, "name": "mcp__owl"}],
    },
    {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "owls"}},
    {"type": "local_shell_call", "call_id": "c4", "status": "completed", "action": {"type": "exec", "command": ["ls"], "env": {}}},
    {"type": "function_call_output", "call_id": "c4", "output": [{"type": "input_text", "text": "a.txt"}]},
    {"type": "message", "role": "assistant", "phase": "commentary", "content": [{"type": "output_text", "text": "looked"}]},
    {"type": "compaction", "encrypted_content": "gAAAA"},
    says("go on"),
]


async def test_a_history_of_everything_goes_on(gateway, fake):
    response, _ = await answered(gateway, fake, stream([chunk(content="on"), chunk("stop"), DONE]), input=HISTORY)
    sent = fake.requests[-1].json
    said = [call["function"] for message in sent["messages"] for call in message.get("tool_calls", ())]
    assert [call["name"] for call in said] == ["mcp__zoo__exec_command", "apply_patch", "tool_search", "local_shell"]
    assert json.loads(said[1]["arguments"]) == {"input": "*** Begin Patch"}
    results = {message["tool_call_id"]: message["content"] for message in sent["messages"] if message["role"] == "tool"}
    assert (results["c1"], results["c2"], results["c4"]) == ("Exit code: 0", "Success", "a.txt")
    assert "mcp__owl__exec_command" in results["c3"]
    assert "mcp__owl__exec_command" in [one["function"]["name"] for one in sent["tools"]]
    warning = response.headers["x-octoroute-warning"]
    assert "web_search_call" in warning and "compaction" in warning


async def test_a_tool_that_was_found_is_called_in_its_namespace(gateway, fake):
    _, output = await answered(gateway, fake, calls("mcp__owl__exec_command", "{}"), input=HISTORY)
    assert (output[0]["name"], output[0]["namespace"]) == ("exec_command", "mcp__owl")


async def test_reasoning_of_a_tool_turn_goes_back_to_a_server_that_wants_it(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a", quirks=["deepseek"])])
    await answered(gateway, fake, stream([chunk(content="on"), chunk("stop"), DONE]), input=HISTORY[:4])
    assert fake.requests[-1].json["messages"][1]["reasoning_content"] == "list"


BROKEN = [
    ({"message": "too long", "code": "context_length_exceeded"}, "context_length_exceeded", "prompt is too long"),
    ({"message": "slow down", "type": "rate_limit_error"}, "rate_limit_exceeded", "rate limit"),
    ({"message": "busy", "type": "overloaded_error"}, "server_is_overloaded", "overloaded"),
    ({"message": "boom", "type": "server_error"}, "upstream_failed", "error"),
]


@pytest.mark.parametrize(("error", "code", "words"), BROKEN)
async def test_a_failure_in_mid_stream_is_a_failed_response_and_the_last_event(gateway, fake, error, code, words):
    fake.then(stream([chunk(content="half"), 0.05, b"data: " + json.dumps({"error": error}).encode() + b"\n\n"]))
    events = events_of((await gateway.ask(ASKED, PATH)).content)
    assert events[-1]["type"] == "response.failed" and events[-2]["type"] == "error"
    failed = events[-1]["response"]
    assert (failed["status"], failed["error"]["code"]) == ("failed", code)
    assert words in failed["error"]["message"] and failed["id"] == events[0]["response"]["id"]
    assert not [event for event in events if event["type"] in {"response.completed", "response.incomplete"}]


async def test_a_stream_that_is_cut_is_a_failed_response(gateway, fake):
    fake.then(stream([chunk(content="half"), 0.05], end="cut"))
    events = events_of((await gateway.ask(ASKED, PATH)).content)
    assert events[-1]["type"] == "response.failed" and events[-1]["response"]["error"]["code"] == "upstream_failed"


async def test_an_error_before_the_first_event_is_a_status(gateway, fake):
    fake.then(
        whole({"error": {"message": "this model's maximum context length is 10 tokens", "code": "context_length_exceeded"}}, 400)
    )
    response = await gateway.ask(ASKED, PATH)
    assert response.status_code == 400 and response.json()["error"]["code"] == "context_length_exceeded"


async def test_an_empty_input_is_refused_in_words(gateway):
    response = await gateway.ask(ASKED, PATH, input=[])
    assert response.status_code == 400 and "input: is empty" in response.json()["error"]["message"]


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_compaction_that_codex_asks_for_within_a_request(gateway, fake, streamed):
    """As it does with OpenAI's address replaced by the gateway's: the last item asks for a compaction, and one must come back."""
    step = stream([chunk(content="we "), chunk(content="fix a.py"), chunk("stop"), DONE])
    message = {"role": "assistant", "content": "we fix a.py"}
    fake.then(step if streamed else whole({"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}))
    asked = [*HISTORY[:8], {"type": "compaction_trigger"}]
    response = await gateway.ask(ASKED, PATH, input=asked, stream=streamed)
    (item,) = check(response.content)["output"] if streamed else response.json()["output"]
    assert item["type"] == "compaction"
    sent = fake.requests[-1].json
    assert [message["role"] for message in sent["messages"]] == ["system", "user"] and "tools" not in sent
    assert "*** Begin Patch" in sent["messages"][1]["content"] and "Exit code: 0" in sent["messages"][1]["content"]
    fake.then(stream([chunk(content="on"), chunk("stop"), DONE]))
    assert (await gateway.ask(ASKED, PATH, input=[item, says("go on")])).status_code == 200
    assert "we fix a.py" in fake.requests[-1].json["messages"][0]["content"]
