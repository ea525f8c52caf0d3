"""Rows of the seeds that have no page of their own: keys, hang-ups, translation, sampling, variants, images, betas."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from tests.support.fake import by_wish, chunk, completion, hang, stream, tokens, whole
from tests.support.live_gateway import endpoint, question

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
MESSAGE = {"model": "auto", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
ANTHROPIC = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


@pytest.mark.parametrize("key", [{}, {"x-api-key": "wrong"}, {"authorization": "Bearer wrong"}, {"authorization": "Basic b25l"}])
async def test_a23_a_wrong_key_is_refused_in_the_callers_dialect(make_gateway, fake, key):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["one", "two"]})
    openai, anthropic = await gateway.ask(headers=key), await gateway.ask(MESSAGE, "/v1/messages", headers=key)
    assert (openai.status_code, openai.json()["error"]["code"]) == (401, "invalid_api_key")
    assert (anthropic.status_code, anthropic.json()["type"]) == (401, "error")
    assert anthropic.json()["error"]["type"] == "authentication_error"
    assert fake.requests == []


async def test_a23_any_of_several_keys_in_either_header(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["one", "two"]})
    for key in ({"x-api-key": "one"}, {"x-api-key": "two"}, {"authorization": "Bearer one"}, {"authorization": "bearer two"}):
        assert (await gateway.ask(headers=key)).status_code == 200
    assert all("one" not in seen.headers.values() and "Bearer one" not in seen.headers.values() for seen in fake.requests)


@pytest.mark.parametrize("begun", [True, False])
async def test_a26_a_client_that_leaves_closes_the_upstream_and_is_nobodys_failure(make_gateway, fake, begun):
    gateway = await make_gateway([endpoint(fake, id="a")])
    fake.always(stream(tokens(["one"])[:2], end="hang") if begun else hang)

    async def read():
        async with gateway.stream() as response:
            async for _ in response.aiter_raw():
                return

    if begun:
        await read()
    else:
        task = asyncio.ensure_future(read())
        await fake.asked()
        task.cancel()
        await asyncio.wait([task])
    await fake.hung_up_on(within_s=1)
    await gateway.quiet()
    row = await gateway.row("a")
    assert (row["circuit"], row["consecutive_failures"], row["in_flight"]) == ("closed", 0, 0)
    assert gateway.metric("octoroute_outcomes_total", endpoint="a", outcome="abandoned") == 1


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


async def test_b18_no_key_is_in_any_line_or_error_even_at_debug(make_process, fake):
    import httpx2

    from tests.support.fake import error

    fake.always(error(401, "Incorrect API key provided: sk-vendor-secret"))
    process = await make_process(
        [endpoint(fake, api_key="sk-vendor-secret", headers={"X-Team": "header-secret"})],
        auth={"keys": ["client-secret"]},
        observability={"log_level": "debug"},
    )
    async with httpx2.AsyncClient(trust_env=False) as client:
        for key in ("client-secret", "wrong-secret"):
            answer = await client.post(f"{process.url}/v1/chat/completions", json=question(), headers={"x-api-key": key})
            assert "secret" not in answer.text
    process._process.terminate()
    _, told = await process.ended()
    lines = b"".join(process.lines) + told
    assert b"upstream_misconfigured" in lines
    for secret in (b"sk-vendor-secret", b"header-secret", b"client-secret", b"wrong-secret"):
        assert secret not in lines


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


async def test_c2_c4_one_name_at_two_interfaces_and_a_variant_for_each(make_gateway, make_fake):
    chat, messages = (await make_fake("chat")).always(by_wish), (await make_fake("messages")).always(whole(ANTHROPIC))
    gateway = await make_gateway(
        [
            endpoint(chat, "glm", id="chat", model="glm-4.6"),
            endpoint(messages, "glm", id="messages", provider="anthropic", model="glm-4.6"),
            endpoint(chat, "real-openai", id="real"),
        ]
    )
    for model, who in (("glm-openai", "chat"), ("glm-anthropic", "messages"), ("real-openai", "real")):
        assert (await gateway.ask(model=model)).headers["x-octoroute-endpoint"] == who
    assert [seen.json["model"] for seen in chat.requests] == ["glm-4.6", "real-openai"]
    assert messages.requests[0].json["model"] == "glm-4.6"
    answer = await gateway.ask({**MESSAGE, "model": "glm-openai"}, "/v1/messages")
    assert answer.json()["model"] == "glm-openai"
    assert (await gateway.ask(model="real-anthropic")).status_code == 404


@pytest.mark.parametrize("where", ["first", "result", "history"])
async def test_c3_an_image_goes_where_it_can_be_seen_wherever_it_stands(make_gateway, make_fake, where):
    text, sees = (await make_fake("text")).always(by_wish), (await make_fake("sees")).always(by_wish)
    gateway = await make_gateway(
        [
            endpoint(text, "glm", id="text", capabilities=["tools"], priority=5),
            endpoint(sees, "glm-v", id="sees", capabilities=["tools", "vision"]),
        ]
    )
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [image]}
    turns = {
        "first": [{"role": "user", "content": [image]}],
        "result": [
            {"role": "user", "content": "look"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ],
        "history": [
            {"role": "user", "content": [image]},
            {"role": "assistant", "content": "a cat"},
            {"role": "user", "content": "sure?"},
        ],
    }[where]
    asked = {**MESSAGE, "messages": turns, "tools": [{"name": "f", "input_schema": {"type": "object"}}]}
    for model in ("auto", "glm"):
        assert (await gateway.ask({**asked, "model": model}, "/v1/messages")).headers["x-octoroute-endpoint"] == "sees"
    assert text.requests == []


async def test_c3_without_a_model_that_sees_it_is_a_400_that_says_so(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, capabilities=["tools"])])
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    refused = await gateway.ask(messages=[{"role": "user", "content": [image]}])
    assert refused.status_code == 400
    assert "vision" in refused.json()["error"]["message"]
    assert fake.requests == []


async def test_c6_the_list_in_both_shapes_and_an_unknown_model(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, "glm")])
    openai = (await gateway.get("/v1/models")).json()
    anthropic = (await gateway.get("/v1/models", headers={"anthropic-version": "2023-06-01"})).json()
    assert [model["id"] for model in openai["data"]] == ["auto", "fast", "balanced", "deep", "glm"]
    assert [model["id"] for model in anthropic["data"]] == [model["id"] for model in openai["data"]]
    assert {model["type"] for model in anthropic["data"]} == {"model"}
    assert (await gateway.get("/v1/models/nobody")).status_code == 404


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


async def test_c23_a_clients_beta_and_version_reach_who_understands_them_and_nobody_else(make_gateway, make_fake):
    openai, anthropic = (await make_fake("openai")).always(by_wish), (await make_fake("anthropic")).always(whole(ANTHROPIC))
    gateway = await make_gateway([endpoint(openai, "o"), endpoint(anthropic, "a", provider="anthropic")])
    told = {"anthropic-beta": "prompt-caching-2024-07-31,other", "anthropic-version": "2023-01-01"}
    for model in ("o", "a"):
        assert (await gateway.ask({**MESSAGE, "model": model}, "/v1/messages", headers=told)).status_code == 200
    assert not {"anthropic-beta", "anthropic-version"} & set(openai.requests[0].headers)
    assert {name: anthropic.requests[0].headers[name] for name in told} == told
    await gateway.ask({**MESSAGE, "model": "a"}, "/v1/messages")
    assert anthropic.requests[1].headers["anthropic-version"] == "2023-06-01"
    assert "anthropic-beta" not in anthropic.requests[1].headers


async def test_c23_a_beta_that_is_always_wanted_is_a_configured_header(make_gateway, fake):
    fake.always(whole(ANTHROPIC))
    gateway = await make_gateway([endpoint(fake, provider="anthropic", headers={"anthropic-beta": "prompt-caching-2024-07-31"})])
    await gateway.ask(MESSAGE, "/v1/messages")
    assert fake.requests[0].headers["anthropic-beta"] == "prompt-caching-2024-07-31"


async def test_b17_a_thousand_streams_at_once_cost_bounded_memory_and_leave_nothing(make_gateway, fake):
    import tracemalloc

    gateway = await make_gateway([endpoint(fake)])
    release = asyncio.Event()
    head, *rest = tokens(["one"])

    async def held(exchange):
        exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        exchange.chunk(head)
        await release.wait()
        for frame in rest:
            exchange.chunk(frame)
        exchange.write(b"0\r\n\r\n")

    fake.always(held)
    inner = gateway.app.gateway
    inbound = gateway.app.runtime.inbound["openai"]
    body = json.dumps(question(stream=True)).encode()

    async def one(at: int) -> bytes:
        reply = await inner.answer(inbound.read(body, request_id=f"r{at}", headers={}))
        try:
            return b"".join([piece async for piece in reply.pieces()])
        finally:
            reply.close()

    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tasks = [asyncio.ensure_future(one(at)) for at in range(1000)]
        while fake.in_flight < 1000:
            await asyncio.sleep(0.02)
        during, _ = tracemalloc.get_traced_memory()
        release.set()
        answers = await asyncio.gather(*tasks)
    finally:
        tracemalloc.stop()
    assert all(answer.endswith(b"data: [DONE]\n\n") for answer in answers)
    assert (during - before) / 1000 < 200_000  # bytes a stream, both ends of it and the fake
    assert gateway.metric("octoroute_inflight_requests") == 0


VENDORS = [
    ("openai", "", "/v1/chat/completions", "authorization", "Bearer k-1"),
    ("azure", "2024-10-21", "/v1/openai/deployments/m%2F1/chat/completions?api-version=2024-10-21", "api-key", "k-1"),
    ("anthropic", "", "/v1/messages", "x-api-key", "k-1"),
    ("gemini", "", "/v1/models/m%2F1:generateContent", "x-goog-api-key", "k-1"),
]
GEMINI = {"candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}]}


@pytest.mark.parametrize(("kind", "version", "path", "header", "value"), VENDORS, ids=[row[0] for row in VENDORS])
async def test_b1_each_vendor_at_its_address_with_its_header_and_no_key_in_it(
    make_gateway, fake, kind, version, path, header, value
):
    fake.always(whole({"anthropic": ANTHROPIC, "gemini": GEMINI}.get(kind, completion("hello"))))
    more = {"api_version": version} if version else {}
    gateway = await make_gateway([endpoint(fake, provider=kind, model="m/1", api_key="k-1", **more)])
    answer = await gateway.ask()
    assert answer.json()["choices"][0]["message"]["content"] == "hello"
    (seen,) = fake.requests
    assert (seen.path, seen.headers[header]) == (path, value)
    assert "k-1" not in seen.path
    await gateway.app.runtime.health_check.round()
    assert fake.probes[0].headers[header] == value
    assert "k-1" not in fake.probes[0].path
