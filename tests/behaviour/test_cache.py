"""B22: the same question twice is one upstream call, for the same tenant, for a while, and only when it was answered well."""

from __future__ import annotations

import json

import pytest

from tests.support.fake import by_wish, chunk, completion, error, event, stream, tokens, whole
from tests.support.live_gateway import Clock, endpoint, frames, question, settings

ON = {"enabled": True}
ZERO = question(temperature=0)


def told(response) -> str | None:
    return response.headers.get("x-octoroute-cache")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def cached(make_gateway, fake, clock):
    fake.always(by_wish)
    return await make_gateway([endpoint(fake, id="a")], cache=ON, parts={"clock": clock})


def text_of(data: bytes) -> str:
    return "".join(choice["delta"].get("content") or "" for item in frames(data) if item != "[DONE]" for choice in item["choices"])


async def test_b22_the_same_question_twice_is_one_upstream_call(cached, fake):
    first, second = await cached.ask(ZERO), await cached.ask(ZERO)
    assert (told(first), told(second)) == ("miss", "hit")
    assert first.content == second.content
    assert len(fake.requests) == 1
    assert (second.headers["x-octoroute-attempts"], second.headers["x-octoroute-endpoint"]) == ("0", "a")
    assert second.headers["age"] == "0"
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    for result in ("hit", "miss"):
        assert cached.metric("octoroute_cache_total", result=result) == 1
    assert cached.metric("octoroute_attempts_total") == 1
    await cached.quiet()


async def test_b22_off_is_the_default_and_says_nothing(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)])
    assert gateway.app.gateway.settings.cache is None
    for _ in range(2):
        assert told(await gateway.ask(ZERO, headers={"x-octoroute-cache": "use"})) is None
    assert len(fake.requests) == 2


async def test_b22_the_order_of_keys_and_white_space_do_not_matter_and_everything_else_does(cached, fake):
    await cached.ask(ZERO)
    other = b'{ "temperature": 0,\n"messages": [{"content": "hello there", "role": "user"}], "model": "auto", "octoroute": {} }'
    assert told(await cached.ask(other)) == "hit"
    for changed in (
        question("hello there ", temperature=0),
        question(temperature=0, max_tokens=5),
        question(temperature=0, made_up=1),
        question(temperature=0, model="fast"),
        question(temperature=0, model="model-a"),
    ):
        assert told(await cached.ask(changed)) == "miss"
    assert len(fake.requests) == 6


async def test_b22_only_what_is_deterministic_or_wanted(cached, fake):
    for asked in (question(), question(temperature=0.1), question(temperature=None)):
        assert [told(await cached.ask(asked)) for _ in range(2)] == ["bypass", "bypass"]
    wanted = {"x-octoroute-cache": "use"}
    assert [told(await cached.ask(question(), headers=wanted)) for _ in range(2)] == ["miss", "hit"]
    assert told(await cached.ask(question())) == "bypass"
    assert cached.metric("octoroute_cache_total", result="bypass") == 7


async def test_b22_a_client_may_forbid_it(cached, fake):
    for headers in ({"cache-control": "no-store"}, {"x-octoroute-cache": "bypass"}, {"cache-control": "max-age=0, No-Store"}):
        assert told(await cached.ask(ZERO, headers=headers)) == "bypass"
    assert told(await cached.ask(ZERO)) == "miss"  # so none of these was kept
    assert told(await cached.ask(ZERO, headers={"cache-control": "no-store"})) == "bypass"
    fake.always(whole(completion("fresh")))
    fresh = await cached.ask(ZERO, headers={"cache-control": "no-cache"})
    assert (told(fresh), fresh.json()["choices"][0]["message"]["content"]) == ("miss", "fresh")
    after = await cached.ask(ZERO)
    assert (told(after), after.content) == ("hit", fresh.content)


async def test_b22_tenants_do_not_share(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["one", "two"]}, cache=ON)
    one, two = {"authorization": "Bearer one"}, {"x-api-key": "two"}
    assert [told(await gateway.ask(ZERO, headers=key)) for key in (one, two, one, two)] == ["miss", "miss", "hit", "hit"]
    assert len(fake.requests) == 2
    assert (await gateway.ask(ZERO)).status_code == 401


async def test_b22_unless_everyone_may(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["one", "two"]}, cache={**ON, "scope": "everyone"})
    assert [told(await gateway.ask(ZERO, headers={"x-api-key": key})) for key in ("one", "two")] == ["miss", "hit"]


async def test_b22_an_answer_is_kept_for_its_time(cached, fake, clock):
    await cached.ask(ZERO)
    clock.pass_(299)
    second = await cached.ask(ZERO)
    assert (told(second), second.headers["age"]) == ("hit", "299")
    clock.pass_(1)
    assert told(await cached.ask(ZERO)) == "miss"
    assert len(cached.app.gateway.settings.cache) == 1


def told_length(text: str) -> dict:
    answer = completion(text)
    answer["choices"][0]["finish_reason"] = "length"
    return answer


@pytest.mark.parametrize(
    "step",
    [
        error(500),
        error(400),
        error(429),
        whole(told_length("cut")),
        whole({**completion(), "choices": [{"index": 0, "finish_reason": "content_filter", "message": {"content": ""}}]}),
        whole(b"nonsense"),
    ],
    ids=["500", "400", "429", "length", "filter", "nonsense"],
)
async def test_b22_what_went_wrong_is_not_kept(make_gateway, fake, step):
    clock, off = Clock(), {"failure_threshold": 100}
    gateway = await make_gateway([endpoint(fake)], cache=ON, retry={"max_attempts": 1}, health=off, parts={"clock": clock})
    fake.always(step)
    first = await gateway.ask(ZERO)
    assert len(gateway.app.gateway.settings.cache) == 0
    fake.always(whole(completion("better")))
    clock.pass_(1)
    second = await gateway.ask(ZERO)
    assert (second.status_code, told(second)) == (200, "miss")
    assert first.content != second.content


@pytest.mark.parametrize(
    "step",
    [
        stream([*tokens()[:2]], end="cut"),
        stream([chunk({"content": "a"}), 0.05, event({"error": {"message": "no", "type": "server_error"}})]),
        stream([chunk({"content": "a"}), chunk({}, "length"), b"data: [DONE]\n\n"]),
    ],
    ids=["cut", "error", "length"],
)
async def test_b22_a_stream_that_did_not_end_well_is_not_kept(cached, fake, step):
    fake.then(step)
    await cached.streamed({"temperature": 0})
    assert len(cached.app.gateway.settings.cache) == 0
    _, data = await cached.streamed({"temperature": 0})
    assert text_of(data) == "one two three "


async def test_b22_a_client_that_leaves_midway_leaves_nothing_behind(cached, fake):
    fake.then(stream(tokens(["one"])[:2], end="hang"))
    async with cached.stream({"temperature": 0}) as response:
        assert told(response) == "miss"
        await anext(response.aiter_raw())
    await fake.hung_up_on()
    await cached.quiet()
    assert len(cached.app.gateway.settings.cache) == 0


async def test_b22_a_whole_answer_is_replayed_as_a_stream(cached, fake):
    await cached.ask(ZERO)
    response, data = await cached.streamed({"temperature": 0, "stream_options": {"include_usage": True}})
    assert (told(response), len(fake.requests)) == ("hit", 1)
    assert response.headers["content-type"].startswith("text/event-stream")
    *items, last = frames(data)
    assert (text_of(data), last) == ("one two three", "[DONE]")
    assert [item["choices"][0]["finish_reason"] for item in items if item["choices"]][-1] == "stop"
    assert items[-1]["usage"]["total_tokens"] == 10
    _, without = await cached.streamed({"temperature": 0})
    assert b'"usage":{' not in without


async def test_b22_a_stream_is_replayed_as_a_whole_answer_and_as_a_stream(cached, fake):
    await cached.streamed({"temperature": 0})
    answer = await cached.ask(ZERO)
    assert (told(answer), answer.json()["choices"][0]["message"]["content"]) == ("hit", "one two three ")
    response, data = await cached.streamed({"temperature": 0})
    assert (told(response), text_of(data)) == ("hit", "one two three ")
    assert len(fake.requests) == 1


async def test_b22_tool_calls_are_replayed_too(cached, fake):
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    answer = completion()
    answer["choices"] = [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "tool_calls": [call]}}]
    fake.always(whole(answer))
    asked = {"temperature": 0, "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]}
    await cached.ask(question(**asked))
    response, data = await cached.streamed(asked)
    assert told(response) == "hit"
    deltas = [item["choices"][0]["delta"] for item in frames(data) if item != "[DONE]" and item["choices"]]
    calls = [part for delta in deltas for part in delta.get("tool_calls", ())]
    assert calls[0]["function"]["name"] == "f"
    assert json.loads("".join(part["function"].get("arguments", "") for part in calls)) == {"a": 1}


async def test_b22_another_dialect_is_another_question_and_is_replayed_in_its_own(cached, fake):
    asked = {"model": "auto", "max_tokens": 10, "temperature": 0, "messages": [{"role": "user", "content": "hello there"}]}
    first, second = await cached.ask(asked, "/v1/messages"), await cached.ask(asked, "/v1/messages")
    assert (told(first), told(second)) == ("miss", "hit")
    assert (
        second.json()["content"] == [{"type": "text", "text": "one two three"}]
        or second.json()["content"][0]["text"] == "one two three"
    )
    streamed = await cached.ask({**asked, "stream": True}, "/v1/messages")
    assert told(streamed) == "hit"
    assert "event: message_stop" in streamed.text
    assert told(await cached.ask(asked)) == "miss"
    assert len(fake.requests) == 2


async def test_b22_a_beta_header_that_reaches_the_upstream_is_part_of_the_question(make_gateway, fake):
    message = {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": [{"type": "text", "text": "hi"}]}
    fake.always(whole({**message, "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}))
    gateway = await make_gateway([endpoint(fake, provider="anthropic")], cache=ON)
    asked = {"model": "auto", "max_tokens": 10, "temperature": 0, "messages": [{"role": "user", "content": "hi"}]}
    beta = [{}, {"anthropic-beta": "one"}, {"anthropic-beta": "two"}, {"anthropic-beta": "one"}]
    assert [told(await gateway.ask(asked, "/v1/messages", headers=more)) for more in beta] == ["miss", "miss", "miss", "hit"]


async def test_b22_what_events_cannot_say_is_left_alone(cached, fake):
    for more in ({"n": 2}, {"logprobs": True}, {"modalities": ["text", "audio"]}):
        assert [told(await cached.ask(question(temperature=0, **more))) for _ in range(2)] == ["bypass", "bypass"]
    assert told(await cached.ask(question(temperature=0, n=1, logprobs=False))) == "miss"


async def test_b22_bounded_in_number_and_the_least_asked_for_goes(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], cache={**ON, "max_entries": 2})
    one, two, three = (question(text, temperature=0) for text in ("one", "two", "three"))
    for asked in (one, two, one, three):
        await gateway.ask(asked)
    assert [told(await gateway.ask(asked)) for asked in (one, three, two)] == ["hit", "hit", "miss"]
    assert len(gateway.app.gateway.settings.cache) == 2


async def test_b22_bounded_in_bytes(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], cache={**ON, "max_bytes": 22_000})
    fake.always(whole(completion("x" * 6000)))
    for text in "abcd":
        await gateway.ask(question(text, temperature=0))
    cache = gateway.app.gateway.settings.cache
    assert (len(cache), cache.size <= 22_000) == (3, True)
    fake.always(whole(completion("x" * 30_000)))
    assert [told(await gateway.ask(question("e", temperature=0))) for _ in range(2)] == ["miss", "miss"]
    assert len(cache) == 3


async def test_b22_a_substitute_of_another_tier_is_not_kept(make_gateway, make_fake):
    small, big = (await make_fake("small")).always(by_wish), (await make_fake("big")).always(error(500))
    gateway = await make_gateway([endpoint(small, "s")], deep=[endpoint(big, "d")], cache=ON, health={"failure_threshold": 1})
    hard = question("hello there", temperature=0, octoroute={"importance": "high", "task_type": "deep_analysis"})
    await gateway.ask(hard)
    substituted = await gateway.ask(hard)
    assert (substituted.headers["x-octoroute-tier"], told(substituted)) == ("fast", "miss")
    assert told(await gateway.ask(hard)) == "miss"


async def test_b22_a_reload_forgets(cached, fake):
    await cached.ask(ZERO)
    await cached.reload(settings([endpoint(fake, id="a")], cache=ON))
    assert told(await cached.ask(ZERO)) == "miss"
    await cached.reload(settings([endpoint(fake, id="a")]))
    assert told(await cached.ask(ZERO)) is None


async def test_b22_a_hit_needs_no_endpoint_even_when_a_model_routes(make_gateway, make_fake):
    router, model = await make_fake("router"), (await make_fake("model")).always(by_wish)
    router.always(whole(completion('{"tier": "fast"}')))
    gateway = await make_gateway(
        [endpoint(model, "m", id="m")], balanced=[endpoint(router, "r", id="r")], cache=ON, routing={"strategy": "llm"}
    )
    assert told(await gateway.ask(ZERO)) == "miss"
    asked = len(router.requests), len(model.requests)
    await router.kill()
    await model.kill()
    again = await gateway.ask(ZERO)
    assert (again.status_code, told(again)) == (200, "hit")
    assert (len(router.requests), len(model.requests)) == asked


async def test_b22_the_log_says_so(make_process, fake):
    import httpx2

    process = await make_process([endpoint(fake)], cache=ON)
    async with httpx2.AsyncClient(trust_env=False) as client:
        for _ in range(2):
            assert (await client.post(f"{process.url}/v1/chat/completions", json=ZERO)).status_code == 200
    assert (await process.line("request", 1))["cache"] == "miss"
    hit = await process.line("request", 2)
    assert (hit["cache"], hit["ending"], hit["status"], "attempts" in hit) == ("hit", "answered", 200, False)


async def test_b22_the_message_of_chat(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], cache=ON)
    wish = {"x-octoroute-cache": "use"}
    first, second = [await gateway.ask({"message": "hello"}, "/chat", headers=wish) for _ in range(2)]
    assert (told(first), told(second)) == ("miss", "hit")
    assert first.json() == second.json()
    assert told(await gateway.ask({"message": "hello"}, "/chat")) == "bypass"


async def test_b22_in_process(fake, started):
    import octoroute

    gateway = await started.enter_async_context(octoroute.Gateway.from_dict(settings([endpoint(fake)], cache=ON)))
    assert [(await gateway.ask(ZERO)).headers["x-octoroute-cache"] for _ in range(2)] == ["miss", "hit"]
    assert len([item async for item in gateway.stream(ZERO)]) > 1
    assert len(fake.requests) == 1


async def test_b22_an_answer_that_a_cascade_went_up_for_is_kept(make_gateway, make_fake):
    small, big = await make_fake("small"), await make_fake("big")
    small.always(whole(completion("")))
    big.always(whole(completion("The answer is 42, because six times seven is forty-two.")))
    gateway = await make_gateway([endpoint(small, "s")], deep=[endpoint(big, "d")], cache=ON, routing={"strategy": "cascade"})
    easy = question("What is the capital of Peru?", temperature=0)
    first, second = await gateway.ask(easy), await gateway.ask(easy)
    assert (first.status_code, told(first), told(second)) == (200, "miss", "hit")
    assert first.headers["x-octoroute-tier"] == second.headers["x-octoroute-tier"] == "deep"
    assert first.content == second.content
    assert (len(small.requests), len(big.requests)) == (1, 1)
