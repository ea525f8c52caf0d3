"""Long prompts: refused in words that agents understand, cut on wish, and how full the window is, over real sockets."""

import json

import pytest

from tests.support.fake import DONE, chunk, completion, error, event, stream, tokens, whole
from tests.support.live_gateway import endpoint, frames, question

COUNTED = {"prompt_tokens": 40_195, "completion_tokens": 100, "total_tokens": 40_295}
MESSAGES = "/v1/messages"


def long(characters=4000, **more):
    messages = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "a" * characters},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    return {"model": "auto", "messages": messages, **more}


def claude(usage, text="hello"):
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn", "stop_sequence": None, "usage": usage,
    }  # fmt: skip


def claude_stream(start, end):
    return [
        event({"type": "message_start", "message": {**claude(start), "content": [], "stop_reason": None}}, "message_start"),
        event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, "content_block_start"),
        event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}, "content_block_delta"),
        event({"type": "content_block_stop", "index": 0}, "content_block_stop"),
        event(
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": end}, "message_delta"
        ),
        event({"type": "message_stop"}, "message_stop"),
    ]


# reject


async def test_too_long_is_refused_in_openais_words(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, context_window=500)])
    response = await gateway.ask(long())
    assert response.status_code == 400
    told = response.json()["error"]
    assert (told["code"], told["type"], told["param"]) == ("context_length_exceeded", "invalid_request_error", "messages")
    assert told["message"].startswith("prompt is too long: 1000 tokens > 500 maximum")
    assert not fake.requests


async def test_too_long_is_refused_in_anthropics_words(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, context_window=500)])
    response = await gateway.ask({**long(), "messages": long()["messages"][1:], "max_tokens": 1}, MESSAGES)
    assert response.status_code == 400
    assert response.json()["error"] == {"type": "invalid_request_error", "message": "prompt is too long: 1001 tokens > 500 maximum"}


async def test_the_answers_room_is_reserved(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, context_window=1100)])
    assert (await gateway.ask(long(max_tokens=100))).status_code == 200
    assert (await gateway.ask(long(max_tokens=101))).status_code == 400
    gateway = await make_gateway([endpoint(fake, context_window=1100)], context={"reserve_output": "none"})
    assert (await gateway.ask(long(max_tokens=10_000))).status_code == 200


async def test_off_leaves_the_judgement_to_the_endpoint(make_gateway, fake):
    fake.always(error(400, "maximum context length is 500 tokens", code="context_length_exceeded"))
    gateway = await make_gateway([endpoint(fake, context_window=500)], context={"policy": "off"})
    response = await gateway.ask(long())
    assert (response.status_code, response.json()["error"]["message"]) == (400, "maximum context length is 500 tokens")


async def test_a_larger_window_takes_what_a_smaller_cannot(make_gateway, make_fake):
    small, large = await make_fake("small"), await make_fake("large")
    gateway = await make_gateway(
        [endpoint(small, "s", context_window=500)], [endpoint(large, "l", context_window=5000)], context={"policy": "truncate"}
    )
    response = await gateway.ask(long(), model="fast")
    assert (response.headers["x-octoroute-tier"], len(large.requests)) == ("balanced", 1)
    assert large.requests[0].json["messages"] == long()["messages"]
    assert "x-octoroute-warning" not in response.headers


# truncate


TRUNCATE = {"policy": "truncate"}


async def test_the_oldest_exchanges_are_left_out(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a", context_window=500, model="m")], context=TRUNCATE)
    body = json.dumps(long(stop=["x"], unknown={"a": 1}), indent=2).encode()
    response = await gateway.ask(body)
    assert response.status_code == 200
    sent = fake.requests[0].json
    assert sent == {**json.loads(body), "model": "m", "messages": [long()["messages"][0], long()["messages"][3]]}
    assert response.headers["x-octoroute-warning"] == ("context: 2 of 4 messages left out, because 1000 tokens do not fit 500")
    info = json.loads(response.headers["x-octoroute-context-info"])
    assert (info["truncated"], info["original_tokens"], info["messages_removed"]) == (True, 1000, 2)
    assert gateway.metric("octoroute_context_shortened_total", endpoint="a", what="history") == 1


async def test_what_stays_keeps_its_bytes(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, context_window=500)], context=TRUNCATE)
    last = b'{ "content" : "\\u0063" , "role":"user", "name":"x"}'
    body = b'{"messages":[{"role":"user","content":"%b"}, %b ], "model":"model-a","x": 1.0}' % (b"a" * 4000, last)
    assert (await gateway.ask(body)).status_code == 200
    assert fake.requests[0].body == b'{"messages":[%b], "model":"model-a","x": 1.0}' % last


async def test_a_smaller_answer_suffices(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a", context_window=1500)], context=TRUNCATE)
    response = await gateway.ask(long(max_tokens=1000))
    assert fake.requests[0].json == {**long(max_tokens=500), "model": "model-a"}
    assert response.headers["x-octoroute-warning"] == "max_tokens: lowered to 500, because the context window has 1500 tokens"
    assert gateway.metric("octoroute_context_shortened_total", endpoint="a", what="max_tokens") == 1


async def test_what_must_stay_and_does_not_fit_is_refused(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, context_window=500)], context=TRUNCATE)
    response = await gateway.ask(question("a" * 4000))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert not fake.requests


async def test_the_largest_window_loses_the_least(make_gateway, make_fake):
    small, large = await make_fake("small"), await make_fake("large")
    large.then(error(500))
    messages = [{"role": role, "content": "x" * 400} for _ in range(10) for role in ("user", "assistant")]
    messages.append({"role": "user", "content": "last"})
    gateway = await make_gateway(
        [endpoint(small, "s", id="s", context_window=500)],
        deep=[endpoint(large, "l", id="l", context_window=1500)],
        context=TRUNCATE,
    )
    response = await gateway.ask({"model": "fast", "messages": messages})
    assert (response.headers["x-octoroute-endpoint"], response.headers["x-octoroute-attempts"]) == ("s", "2")
    assert len(large.requests[0].json["messages"]) > len(small.requests[0].json["messages"])


async def test_a_translated_history_is_cut_too(make_gateway, fake):
    fake.always(whole(claude({"input_tokens": 9, "output_tokens": 1})))
    gateway = await make_gateway([endpoint(fake, provider="anthropic", context_window=500)], context=TRUNCATE)
    body = long()
    body["messages"][2] = {
        "role": "assistant",
        "content": "b",
        "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s"}],
    }
    body["messages"].insert(1, {"role": "user", "content": "z" * 4000})
    body["messages"][2]["content"] = "y"
    response = await gateway.ask(body)
    assert response.status_code == 200
    assert [message["role"] for message in fake.requests[0].json["messages"]] == ["user", "assistant", "user"]
    assert "signature" not in fake.requests[0].body.decode()


async def test_signed_thinking_is_taken_out_when_its_beginning_is_cut(make_gateway, fake):
    fake.always(whole(claude({"input_tokens": 9, "output_tokens": 1})))
    gateway = await make_gateway([endpoint(fake, provider="anthropic", context_window=500)], context=TRUNCATE)
    messages = [
        {"role": "user", "content": "a" * 4000},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "text", "text": "d"}]},
        {"role": "user", "content": "e"},
    ]
    body = {"model": "auto", "max_tokens": 100, "thinking": {"type": "enabled", "budget_tokens": 50}, "messages": messages}
    assert (await gateway.ask(body, MESSAGES)).status_code == 200
    sent = fake.requests[0].json
    assert sent["thinking"] == {"type": "disabled"}
    assert [message["content"] for message in sent["messages"]] == ["c", [{"type": "text", "text": "d"}], "e"]


async def test_usage_of_a_cut_prompt_does_not_spoil_the_estimate(make_gateway, fake):
    fake.always(whole(completion(usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})))
    gateway = await make_gateway([endpoint(fake, id="a", context_window=500)], context=TRUNCATE)
    await gateway.ask(long(40_000))
    assert gateway.metric("octoroute_prompt_estimate_ratio_sum", endpoint="a") < 10


async def test_responses_clients_are_cut_too(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, context_window=500)], context=TRUNCATE)
    response = await gateway.ask({"model": "auto", "input": long()["messages"]}, "/v1/responses")
    assert response.status_code == 200
    assert [message["content"] for message in fake.requests[0].json["messages"]] == ["S", "c"]


# how full it is


async def test_c12_the_header_and_the_metric(make_gateway, fake):
    fake.always(whole(completion(usage=COUNTED)))
    gateway = await make_gateway([endpoint(fake, id="a", context_window=65_536)])
    response = await gateway.ask()
    assert response.headers["x-octoroute-context"] == "warning;61.3"
    assert json.loads(response.headers["x-octoroute-context-info"])["available_tokens"] == 25_341
    assert response.json() == completion(usage=COUNTED)  # strict clients see nothing new
    assert gateway.metric("octoroute_context_levels_total", endpoint="a", level="warning") == 1


async def test_c12_streams_are_told_by_the_estimate(make_gateway, fake):
    fake.always(stream(tokens()))
    gateway = await make_gateway([endpoint(fake, context_window=1200)])
    response, data = await gateway.streamed(long(stream=True))
    assert response.headers["x-octoroute-context"] == "critical;83.3"
    assert data == b"".join(tokens())


async def test_without_a_window_nothing_is_said(gateway):
    assert not [name for name in (await gateway.ask()).headers if name.startswith("x-octoroute-context")]


async def test_off_says_nothing(make_gateway, fake):
    fake.always(whole(completion(usage=COUNTED)))
    gateway = await make_gateway([endpoint(fake, context_window=65_536)], context={"report": "off"})
    assert not [name for name in (await gateway.ask()).headers if name.startswith("x-octoroute-context")]
    assert gateway.metric("octoroute_context_levels_total", level="warning") == 1


BODY = {"report": "body"}


async def test_c10_c11_in_the_body(make_gateway, fake):
    fake.always(whole(completion(usage=COUNTED)))
    gateway = await make_gateway([endpoint(fake, context_window=65_536)], context=BODY)
    response = await gateway.ask()
    assert "x-octoroute-context-info" not in response.headers
    told = response.json()
    assert told["context_info"] == {
        "real_input_tokens": 40195,
        "context_hard_limit": 65536,
        "endpoint_type": "vision",
        "upstream_protocol": "openai",
        "utilization_percent": 61.3,
        "available_tokens": 25341,
        "truncated": False,
        "note": "Use these values to manage context and avoid truncation",
    }
    more = {"real_input_tokens": 40195, "context_limit": 65536, "context_utilization": "61.3%", "endpoint_type": "vision"}
    assert told["usage"] == {**COUNTED, **more}


@pytest.mark.parametrize("wants_usage", [True, False])
async def test_c10_in_the_last_chunk(make_gateway, fake, wants_usage):
    usage = event({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": COUNTED})
    fake.always(stream([chunk({"content": "a"}), chunk({}, "stop"), *([usage] if wants_usage else []), DONE]))
    gateway = await make_gateway([endpoint(fake, context_window=65_536)], context=BODY)
    _, data = await gateway.streamed(question(stream=True, **({"stream_options": {"include_usage": True}} if wants_usage else {})))
    *_, last, done = frames(data)
    assert done == "[DONE]"
    assert data.count(b"context_info") == 1
    assert last["context_info"]["real_input_tokens"] == (40_195 if wants_usage else 2)


async def test_c10_to_anthropics_clients(make_gateway, make_fake):
    claudes, openais = await make_fake(), await make_fake()
    claudes.always(
        stream(claude_stream({"input_tokens": 40_000, "output_tokens": 1}, {"input_tokens": 40_195, "output_tokens": 7}))
    )
    openais.always(stream([chunk({"content": "a"}), chunk({}, "stop"), event({"choices": [], "usage": COUNTED}), DONE]))
    gateway = await make_gateway(
        [
            endpoint(claudes, "claude", provider="anthropic", context_window=65_536),
            endpoint(openais, "gpt", context_window=65_536),
        ],
        context=BODY,
    )
    for model in ("claude", "gpt"):
        asked = {"model": model, "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "x"}]}
        async with gateway.client.stream("POST", MESSAGES, json=asked) as response:
            data = b"".join([piece async for piece in response.aiter_raw()])
        events = [json.loads(frame.split(b"data: ")[1]) for frame in data.split(b"\n\n") if b"data: " in frame]
        told = next(found for found in events if found["type"] == "message_delta")
        assert told["context_info"]["utilization_percent"] == 61.3
        assert told["usage"]["context_utilization"] == "61.3%"
        assert data.count(b"context_info") == 1


async def test_c10_strict_sdks_read_the_default_settings(make_gateway, make_fake):
    openai, anthropic = pytest.importorskip("openai"), pytest.importorskip("anthropic")
    claudes, openais = await make_fake(), await make_fake()
    claudes.always(whole(claude({"input_tokens": 40_195, "output_tokens": 1})))
    openais.always(whole(completion(usage=COUNTED)))
    gateway = await make_gateway(
        [
            endpoint(claudes, "claude", provider="anthropic", context_window=65_536),
            endpoint(openais, "gpt", context_window=65_536),
        ]
    )
    asked = [{"role": "user", "content": "x"}]
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="k", _strict_response_validation=True) as client:
        answer = await client.chat.completions.create(model="gpt", messages=asked)
        assert (answer.usage.prompt_tokens, answer.model_extra) == (40_195, {})
    async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key="k", _strict_response_validation=True) as client:
        answer = await client.messages.create(model="claude", messages=asked, max_tokens=9)
        assert (answer.usage.input_tokens, answer.model_extra) == (40_195, {})


# advertised against real windows


SCALED = {"context_window": 65_536, "advertised_window": 200_000}
FULL = {"prompt_tokens": 65_536, "completion_tokens": 0, "total_tokens": 65_536, "prompt_tokens_details": {"cached_tokens": 32_768}}


async def test_c13_the_full_real_window_reports_the_advertised_one(make_gateway, fake):
    fake.always(whole(completion(usage=FULL)))
    gateway = await make_gateway([endpoint(fake, id="a", price={"input": 1.0, "output": 1.0}, **SCALED)])
    response = await gateway.ask()
    assert response.json()["usage"] == {
        "prompt_tokens": 200_000, "completion_tokens": 0, "total_tokens": 200_000, "prompt_tokens_details": {"cached_tokens": 100_000},
    }  # fmt: skip
    assert json.loads(response.headers["x-octoroute-context-info"])["real_input_tokens"] == 65_536
    assert response.headers["x-octoroute-context"] == "critical;100.0"
    assert gateway.metric("octoroute_tokens_total", endpoint="a", kind="input") == 65_536
    assert gateway.metric("octoroute_cost_usd_total", endpoint="a") == pytest.approx(0.065536)


async def test_c13_streams_agree(make_gateway, fake):
    usage = event({"id": "c", "choices": [], "usage": FULL})
    fake.always(stream([chunk({"content": "a"}), chunk({}, "stop"), usage, DONE]))
    gateway = await make_gateway([endpoint(fake, **SCALED)])
    _, data = await gateway.streamed(question(stream=True, stream_options={"include_usage": True}))
    assert frames(data)[-2]["usage"]["prompt_tokens"] == 200_000
    assert data.startswith(chunk({"content": "a"}) + chunk({}, "stop"))


async def test_c13_every_event_of_anthropics_stream(make_gateway, fake):
    fake.always(stream(claude_stream({"input_tokens": 32_768, "output_tokens": 1}, {"output_tokens": 65_536})))
    gateway = await make_gateway([endpoint(fake, provider="anthropic", **SCALED)])
    asked = {"model": "auto", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "x"}]}
    async with gateway.client.stream("POST", MESSAGES, json=asked) as response:
        data = b"".join([piece async for piece in response.aiter_raw()])
    events = [json.loads(frame.split(b"data: ")[1]) for frame in data.split(b"\n\n") if frame]
    assert events[0]["message"]["usage"] == {"input_tokens": 100_000, "output_tokens": 3}
    assert events[-2]["usage"] == {"output_tokens": 200_000}
    assert data.count(b"event: ") == 6


async def test_c13_translated_answers_and_responses_clients(make_gateway, fake):
    fake.always(whole(completion(usage=FULL)))
    gateway = await make_gateway([endpoint(fake, **SCALED)])
    asked = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    usage = (await gateway.ask(asked, MESSAGES)).json()["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (100_000, 100_000)
    usage = (await gateway.ask({"model": "auto", "input": "x"}, "/v1/responses")).json()["usage"]
    assert (usage["input_tokens"], usage["total_tokens"]) == (200_000, 200_000)


async def test_c13_count_tokens(make_gateway, make_fake):
    claudes, openais = await make_fake(), await make_fake()
    claudes.always(whole({"input_tokens": 65_536}))
    gateway = await make_gateway([endpoint(claudes, "claude", provider="anthropic", **SCALED), endpoint(openais, "gpt", **SCALED)])
    asked = {"model": "claude", "messages": [{"role": "user", "content": "x"}]}
    assert (await gateway.ask(asked, MESSAGES + "/count_tokens")).json() == {"input_tokens": 200_000}
    plain = await make_gateway([endpoint(openais, "gpt", context_window=65_536)])
    estimated = (await plain.ask(asked, MESSAGES + "/count_tokens", model="gpt")).json()["input_tokens"]
    assert (await gateway.ask(asked, MESSAGES + "/count_tokens", model="gpt")).json() == {
        "input_tokens": estimated * 200_000 // 65_536
    }


async def test_c16_a_wrong_estimate_never_changes_the_answer(make_gateway, fake):
    fake.always(whole(completion(usage={"prompt_tokens": 10**6, "completion_tokens": 1, "total_tokens": 10**6 + 1})))
    gateway = await make_gateway([endpoint(fake, id="a", context_window=1000)])
    assert (await gateway.ask()).status_code == 200
    assert gateway.metric("octoroute_prompt_estimate_ratio_count", endpoint="a") == 1


async def test_an_advertised_window_needs_a_real_one(make_gateway, fake):
    from octoroute.errors import ConfigError

    with pytest.raises(ConfigError, match=r"advertised_window: requires context_window"):
        await make_gateway([endpoint(fake, advertised_window=200_000)])
    with pytest.raises(ConfigError, match=r"context.critical_at: must not be below warn_at"):
        await make_gateway([endpoint(fake)], context={"warn_at": 0.9})
