"""A request in one dialect, an endpoint of another: tools, arguments, sampling, model names, and the end of a stream."""

from __future__ import annotations

import json

import pytest

from tests.support.fake import chunk, completion, stream, tokens, whole
from tests.support.live_gateway import endpoint, question
from tests.support.pairs import GOOD, MESSAGE, PATHS, PNG, WHOLE, asked_by, kinds, row


@kinds
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
async def test_p115_a_translated_answer_names_the_model_that_was_asked_for(make_fake, make_gateway, kind, streams):
    fake = await make_fake()
    fake.always(stream(GOOD[kind]) if streams else whole(WHOLE[kind]))
    gateway = await make_gateway([row(fake, kind, model="upstream-name")])
    client = "openai" if kind == "anthropic" else "anthropic"
    response = await gateway.ask(asked_by(client, model="AUTO", stream=streams), path=PATHS[client])
    assert b"upstream-name" not in response.content and b"upstream-model" not in response.content
    assert b'"model":"AUTO"' in response.content
    assert response.headers["x-octoroute-model"] == "upstream-name"


async def test_a27_an_image_and_tools_arrive_as_they_are_at_the_same_dialect(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)])
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    await gateway.ask(
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "what?"}, image]}], "tools": [tool]}, model="auto"
    )
    seen = fake.requests[0].json
    assert (seen["messages"][0]["content"][1], seen["tools"]) == (image, [tool])


async def test_a27_an_image_and_tools_of_an_anthropic_client_arrive_at_an_openai_endpoint(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)])
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}}
    answer = completion()
    answer["choices"] = [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "tool_calls": [call]}}]
    fake.always(whole(answer))
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    tool = {"name": "look", "description": "looks", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}
    asked = {
        **MESSAGE,
        "tools": [tool],
        "messages": [{"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": "what is it?"}]}],
    }
    told = (await gateway.ask(asked, "/v1/messages")).json()
    assert told["stop_reason"] == "tool_use"
    assert told["content"][-1] == {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": "sky"}}
    seen = fake.requests[0].json
    urls = [part["image_url"]["url"] for part in seen["messages"][-1]["content"] if part["type"] == "image_url"]
    assert urls == [f"data:image/png;base64,{PNG}"]
    assert seen["tools"][0]["function"]["name"] == "look"


async def test_a27_streamed_arguments_arrive_whole_once(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)])
    parts = ['{"a"', ": [1, ", "2]}"]
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    frames = [chunk({"role": "assistant", "tool_calls": [first]})]
    frames += [chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}) for part in parts]
    fake.always(stream([*frames, chunk({}, "tool_calls"), b"data: [DONE]\n\n"]))
    answer = await gateway.ask(
        {**MESSAGE, "stream": True, "tools": [{"name": "f", "input_schema": {"type": "object"}}]}, "/v1/messages"
    )
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    deltas = [event["delta"]["partial_json"] for event in events if event.get("delta", {}).get("type") == "input_json_delta"]
    assert json.loads("".join(deltas)) == {"a": [1, 2]}


async def test_b16_only_what_the_gateway_needs_is_checked(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)])
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": ""},
    ]
    assert (await gateway.ask({"model": "auto", "messages": messages, "unheard_of": {"a": 1}})).status_code == 200
    assert fake.requests[0].json["messages"] == messages
    assert fake.requests[0].json["unheard_of"] == {"a": 1}
    for field, value in (("temperature", 2.1), ("top_p", -0.1), ("max_tokens", -5), ("messages", [])):
        refused = await gateway.ask(**{field: value})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, field)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_b20_a_temperature_of_0_stays_0_and_none_is_made_up(make_gateway, fake, path):
    gateway = await make_gateway([endpoint(fake, temperature=0.7)])
    asked = MESSAGE if path == "/v1/messages" else question()
    await gateway.ask({**asked, "temperature": 0, "top_p": 0}, path)
    await gateway.ask(asked, path)
    zero, nothing = (seen.json for seen in fake.requests)
    assert (zero["temperature"], zero["top_p"]) == (0, 0)
    assert "temperature" not in nothing
    assert "top_p" not in nothing


@pytest.mark.parametrize("end", ["cut", "reset"])
async def test_c19_only_the_protocols_own_end_is_an_end(make_gateway, fake, end):
    gateway = await make_gateway([endpoint(fake, id="a")])
    fake.always(stream(tokens(["one", "two"])[:2], end=end))
    _, data = await gateway.streamed()
    assert b'"error"' in data
    assert b"[DONE]" not in data
    await gateway.quiet()
    assert (await gateway.row("a"))["consecutive_failures"] == 1
    assert gateway.metric("octoroute_mid_stream_failures_total", endpoint="a") == 1
