"""Reports from users of other gateways: one request for each, of the same kind but not the same. The ids are those of the reports.

The other ids stand in the names of `test_servers_that_err`, `test_model_rules`, `test_content_kept`, `test_returned_thinking`,
`test_structured_output`, and `test_drawn_images`.
"""

from __future__ import annotations

import gzip
import json
import sys

import pytest

from tests.support.fake import DONE, chunk, stream
from tests.support.kinds import by_kind
from tests.support.live_gateway import endpoint
from tests.support.responses_stream import events_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

RESPONSES = "/v1/responses"
PARAMETERS = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
READ = {"type": "function", "name": "read", "parameters": PARAMETERS}
SQL = {"type": "custom", "name": "run_sql", "description": "Runs SQL.", "format": {"type": "text"}}
FILES = {"type": "namespace", "name": "mcp__files", "tools": [{**READ, "name": "read"}, {**READ, "name": "stat"}]}
ASK = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "look"}]}


async def sent(make_gateway, fake, path, body, headers=None, **settings):
    """What the endpoint got, and the response."""
    fake.always(by_kind)
    gateway = await make_gateway([endpoint(fake, **settings)])
    answer = await gateway.ask({"model": "auto", **body} if isinstance(body, dict) else body, path, headers)
    assert answer.status_code == 200, answer.text
    return fake.requests[-1].json, answer


def names(asked):
    return [tool["function"]["name"] for tool in asked["tools"]]


async def test_r01_a_custom_tool_is_offered_as_a_function_of_one_text(make_gateway, fake):
    asked, _ = await sent(make_gateway, fake, RESPONSES, {"input": [ASK], "tools": [READ, SQL]})
    assert names(asked) == ["read", "run_sql"]
    assert list(asked["tools"][1]["function"]["parameters"]["properties"]) == ["input"]


@pytest.mark.parametrize("hosted", ["web_search_preview", "code_interpreter", "image_generation"])
async def test_r02_a_hosted_tool_is_left_out_and_named(make_gateway, fake, hosted):
    asked, answer = await sent(make_gateway, fake, RESPONSES, {"input": [ASK], "tools": [{"type": hosted}, READ]})
    assert names(asked) == ["read"]
    assert hosted in answer.headers["x-octoroute-warning"]


async def test_r03_the_functions_of_a_namespace_are_offered(make_gateway, fake):
    asked, _ = await sent(make_gateway, fake, RESPONSES, {"input": [ASK], "tools": [READ, FILES]})
    assert len(set(names(asked))) == 3


async def test_r04_a_search_for_tools_in_the_history_is_no_dead_end(make_gateway, fake):
    search = {"type": "tool_search_call", "call_id": "s9", "status": "completed", "arguments": {"query": "files", "limit": 3}}
    found = {"type": "tool_search_output", "call_id": "s9", "status": "completed", "tools": [READ]}
    asked, _ = await sent(make_gateway, fake, RESPONSES, {"input": [ASK, search, found, ASK]})
    assert "files" in json.dumps(asked["messages"])


@pytest.mark.parametrize("quirks", ["deepseek", "kimi", "llamacpp"])
async def test_r09_reasoning_in_the_content_of_its_item_goes_back(make_gateway, fake, quirks):
    thought = [{"type": "reasoning_text", "text": "First I "}, {"type": "reasoning_text", "text": "read"}]
    history = [
        ASK,
        {"type": "reasoning", "id": "rs_7", "summary": [], "content": thought},
        {"type": "function_call", "call_id": "c7", "name": "read", "arguments": '{"path":"a"}'},
        {"type": "function_call_output", "call_id": "c7", "output": "text"},
    ]
    asked, _ = await sent(make_gateway, fake, RESPONSES, {"input": history}, quirks=[quirks])
    said = asked["messages"][1]["reasoning_content"]
    assert said.replace("\n", "") == "First I read"


@pytest.mark.parametrize("code", ["context_length_exceeded", "rate_limit_exceeded"])
async def test_r11_a_failure_in_mid_stream_is_the_last_event_with_its_cause(make_gateway, fake, code):
    failure = {"error": {"message": "no more", "type": "invalid_request_error", "code": code}}
    fake.always(stream([chunk({"content": "half an"}), 0.05, b"data: " + json.dumps(failure).encode() + b"\n\n", DONE]))
    gateway = await make_gateway([endpoint(fake)])
    answer = await gateway.ask({"model": "auto", "input": [ASK], "stream": True}, RESPONSES)
    last = events_of(answer.content)[-1]
    assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    assert last["response"]["error"]["code"] == code


async def test_w01_an_upgrade_elsewhere_is_told_at_once(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)])
    upgrade = {
        "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }  # fmt: skip
    assert (await gateway.client.get("/v1/chat/completions", headers=upgrade)).status_code in {405, 426}
    assert (await gateway.client.get(RESPONSES)).status_code == 405


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_z01_compressed_requests_are_read(make_gateway, fake, coding):
    data = json.dumps({"model": "auto", "input": "a packed question"}).encode()
    packed = gzip.compress(data) if coding == "gzip" else zstd.compress(data)
    asked, _ = await sent(make_gateway, fake, RESPONSES, packed, {"content-encoding": coding})
    assert asked["messages"] == [{"role": "user", "content": "a packed question"}]


async def test_r07_an_empty_input_is_refused_by_its_name(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)])
    answer = await gateway.ask({"model": "auto", "input": []}, RESPONSES)
    assert answer.status_code == 400
    assert "input" in answer.json()["error"]["message"]


@pytest.mark.parametrize("settings", [{"provider": "gemini", "model": "gemini-2.5-flash"}])
async def test_g01_a_described_reference_stands_alone_or_is_replaced(make_gateway, fake, settings):
    schema = {
        "type": "object",
        "properties": {"where": {"$ref": "#/$defs/Place", "description": "Where it is."}},
        "$defs": {"Place": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
    tool = {"type": "function", "function": {"name": "go", "parameters": schema}}
    body = {"messages": [{"role": "user", "content": "go"}], "tools": [tool]}
    asked, _ = await sent(make_gateway, fake, "/v1/chat/completions", body, **settings)
    where = asked["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]["properties"]["where"]
    assert where == {"type": "object", "properties": {"city": {"type": "string"}}, "description": "Where it is."}
