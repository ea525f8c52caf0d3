"""What servers get wrong in their answers, as clients see it: errors as answers, broken tool calls, odd frames. Case ids in names."""

from __future__ import annotations

import json

import pytest

from tests.support.anthropic_stream import check
from tests.support.chunks import openai_message
from tests.support.fake import DONE, chunk, event, stream, whole
from tests.support.live_gateway import endpoint, frames, question
from tests.support.messages import asks
from tests.support.pairs import PATHS, last_event

TOOL = {"name": "Bash", "description": "run", "input_schema": {"type": "object", "properties": {"c": {"type": "string"}}}}
FINISH = chunk({}, "tool_calls") + DONE
VLLM = event(
    {"object": "error", "message": "This model's maximum context length is 4096 tokens", "type": "BadRequestError", "code": 400}
)


def call(arguments, *, index: object = 0, name: str | None = "Bash", id: str | None = "a") -> bytes:
    function = {"arguments": arguments, **({"name": name} if name is not None else {})}
    return chunk({"tool_calls": [{"index": index, "type": "function", "function": function, **({"id": id} if id else {})}]})


async def tool_answer(gateway, fake, *pieces: bytes) -> dict:
    fake.then(stream([*pieces, FINISH]))
    response = await gateway.ask(asks(stream=True, tools=[TOOL]), path=PATHS["anthropic"])
    assert response.status_code == 200
    assert "x-octoroute-warning" not in response.headers
    return check(response.content)


async def test_a10_white_space_before_a_call_is_no_block(gateway, fake):
    message = await tool_answer(gateway, fake, chunk({"content": "\n"}), chunk({"content": " \n"}), call('{"c":"ls"}'))
    assert [block["type"] for block in message["content"]] == ["tool_use"]
    message = await tool_answer(gateway, fake, chunk({"content": "\n\n"}), chunk({"content": "Hi"}), call('{"c":"ls"}'))
    assert [block["type"] for block in message["content"]] == ["text", "tool_use"]
    assert message["content"][0]["text"] == "\n\nHi"


async def test_a10_nor_in_a_whole_answer(gateway, fake):
    function = {"name": "Bash", "arguments": '{"c":"ls"}'}
    message = {"role": "assistant", "content": "\n ", "tool_calls": [{"id": "a", "type": "function", "function": function}]}
    fake.then(
        whole({"id": "c", "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    )
    told = (await gateway.ask(asks(tools=[TOOL]), path=PATHS["anthropic"])).json()
    assert [block["type"] for block in told["content"]] == ["tool_use"]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([call(json.dumps('{"c":"ls"}'))], id="A12 double-encoded"),
        pytest.param([call('"{\\"c\\":'), call('\\"ls\\"}"', name=None, id=None)], id="A12 double-encoded, in parts"),
        pytest.param([call("{}"), call('{"c":"ls"}', name=None, id=None)], id="A15 placeholder"),
        pytest.param([call("", name="Ba"), call('{"c":"ls"}', name="sh", id=None)], id="A16 name in parts"),
        pytest.param([call('{"c":', index="0"), call('"ls"}', index="0", name=None, id=None)], id="A17 index as text"),
        pytest.param([call('{"c":', index=0.0), call('"ls"}', index=0.0, name=None, id=None)], id="A17 index as fraction"),
        pytest.param([call('{"c":"ls"}'), call('{"c":"ls"}', name=None, id=None)], id="doubled"),
        pytest.param([call({"c": "ls"})], id="an object"),
    ],
)
async def test_a_call_arrives_as_it_was_meant(gateway, fake, pieces):
    message = await tool_answer(gateway, fake, *pieces)
    assert [(block["name"], block["input"]) for block in message["content"]] == [("Bash", {"c": "ls"})]


@pytest.mark.parametrize("streams", [False, True])
async def test_a14_raw_control_characters_are_escaped(gateway, fake, streams):
    if streams:
        message = await tool_answer(gateway, fake, call('{"c":"l\ts'), call('\n"}', name=None, id=None))
        assert message["content"][0]["input"] == {"c": "l\ts\n"}
        return
    function = {"name": "Bash", "arguments": '{"c":"l\ts\n"}'}
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "type": "function", "function": function}]}
    fake.then(whole({"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}))
    told = (await gateway.ask(asks(tools=[TOOL]), path=PATHS["anthropic"])).json()
    assert told["content"][0]["input"] == {"c": "l\ts\n"}


@pytest.mark.parametrize("client", PATHS)
async def test_a17_counts_of_a_wrong_shape_cost_the_counts(make_gateway, fake, client):
    gateway = await make_gateway([endpoint(fake, id="a")])
    usage = {"prompt_tokens": "12", "completion_tokens": [], "prompt_tokens_details": [], "completion_tokens_details": "x"}
    fake.then(stream([chunk({"content": "hi"}), event({"id": 7, "choices": [], "usage": usage}), chunk({}, "stop"), DONE]))
    asked = asks(stream=True) if client == "anthropic" else question(stream=True)
    response = await gateway.ask(asked, path=PATHS[client])
    assert response.status_code == 200
    assert b"hi" in response.content and b'"error"' not in response.content
    assert gateway.metric("octoroute_tokens_total", kind="input") == 12


async def test_a20_an_error_object_in_mid_stream_is_no_end(gateway, fake):
    died = event({"object": "error", "message": "EngineCore died", "type": "InternalServerError", "code": 500})
    fake.then(stream([chunk({"content": "hi"}), 0.02, died + DONE]))
    data = (await gateway.ask(asks(stream=True), path=PATHS["anthropic"])).content
    assert last_event(data)["type"] == "error"
    assert b"message_stop" not in data
    await gateway.quiet()
    assert gateway.metric("octoroute_outcomes_total", outcome="broken") == 1


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
async def test_a23_json_in_an_event_stream_tells_its_cause(gateway, fake, client, end):
    words = "request (19185 tokens) exceeds the available context size (16384 tokens)"
    error = json.dumps({"error": {"code": 400, "message": words, "type": "exceed_context_size_error"}}).encode()
    fake.always(stream([error + end]))
    asked = asks(stream=True) if client == "anthropic" else question(stream=True)
    response = await gateway.ask(asked, path=PATHS[client])
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "prompt is too long: 19185 tokens > 16384 maximum"


@pytest.mark.parametrize("first", [VLLM, VLLM.replace(b"data: ", b"error: ")], ids=["P01", "P02"])
async def test_an_error_as_first_event_is_a_failed_attempt_with_its_cause(gateway, fake, first):
    fake.always(stream([first, DONE]))
    response = await gateway.ask(question(stream=True))
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    assert "prompt is too long" in response.json()["error"]["message"]


async def test_p03_an_end_alone_is_no_answer(make_gateway, make_fake):
    first, second = await make_fake("first"), await make_fake("second")
    first.always(stream([DONE]))
    second.always(stream([chunk({"content": "hi"}), chunk({}, "stop"), DONE]))
    alone = await make_gateway([endpoint(first, id="a")])
    assert (await alone.ask(question(stream=True))).status_code == 502
    both = await make_gateway([endpoint(first, id="a", priority=2), endpoint(second, id="b", priority=1)])
    response = await both.ask(question(stream=True))
    assert response.headers["x-octoroute-endpoint"] == "b"


@pytest.mark.parametrize(
    "blank", [b"data: \n\n", b"data:\n\n", b"data\n\n", b"data: null\n\n", b"event: ping\ndata: {}\n\n", b"retry: 5\n\n"]
)
@pytest.mark.parametrize("at", [0, 1, 2, 3])
@pytest.mark.parametrize("client", PATHS)
async def test_p04_a_frame_that_says_nothing_costs_nothing(gateway, fake, client, at, blank):
    sent = [chunk({"content": "hi"}), chunk({"content": " you"}), chunk({}, "stop"), DONE]
    sent.insert(at, blank)
    fake.then(stream([b"".join(sent)]))
    asked = asks(stream=True) if client == "anthropic" else question(stream=True)
    response = await gateway.ask(asked, path=PATHS[client])
    assert response.status_code == 200
    if client == "openai":
        assert response.content == b"".join(sent)
    else:
        assert check(response.content)["content"][0]["text"] == "hi you"


async def test_an_error_after_the_finish_reason_replaces_the_end(gateway, fake):
    failed = event({"error": {"message": "overloaded", "type": "server_error", "code": "server_is_overloaded"}})
    fake.then(stream([chunk({"content": "hi"}), chunk({}, "stop"), 0.02, failed, DONE]))
    data = (await gateway.ask(question(stream=True))).content
    assert "error" in frames(data)[-1]
    assert b"[DONE]" not in data


async def test_calls_of_the_same_format_are_mended_on_request(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a", quirks=["mend-tool-calls"])])
    fake.always(stream([call("{}"), call('{"c":"ls"}', name=None, id=None), call('{"c":"ls -l"}', id="b"), FINISH]))
    data = (await gateway.ask(question(stream=True))).content
    calls = openai_message(data)["tool_calls"]
    assert [(one["name"], json.loads(one["arguments"])) for one in calls] == [("Bash", {"c": "ls"}), ("Bash", {"c": "ls -l"})]


async def test_calls_of_the_same_format_keep_their_bytes_otherwise(gateway, fake):
    sent = [call("{}"), call('{"c":"ls"}', name=None, id=None), FINISH]
    fake.always(stream(sent))
    assert (await gateway.ask(question(stream=True))).content == b"".join(sent)
