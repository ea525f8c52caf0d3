"""OpenAI's own SDK, against octoroute and against the server behind it: there is no difference but for `model`."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from tests.support.actor import PERSON, act
from tests.support.live_gateway import endpoint

openai = pytest.importorskip("openai", reason="pip install --group e2e")
pydantic = pytest.importorskip("pydantic")

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
TIME = {
    "type": "function",
    "function": {"name": "time", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


class Person(pydantic.BaseModel):
    name: str
    age: int


@pytest.fixture
async def sides(fake, make_gateway):
    """The same clients twice: straight to the server, and through octoroute. Both ask for `model-a`, in words of their own."""
    fake.always(act)
    gateway = await make_gateway(
        [endpoint(fake, "model-a", id="a", model="real-model", api_key="upstream-key")],
        auth={"keys": ["k"]},
        retry={"max_attempts": 1},
        health={"failure_threshold": 100},
    )

    def clients(base_url: str, model: str):
        plain = {"base_url": base_url, "api_key": "k", "max_retries": 0, "timeout": 20}
        return SimpleNamespace(sync=openai.OpenAI(**plain), asynchronous=openai.AsyncOpenAI(**plain), model=model)

    direct, through = clients(fake.url, "real-model"), clients(gateway.url + "/v1", "model-a")
    yield SimpleNamespace(direct=direct, through=through, fake=fake, gateway=gateway)
    for side in (direct, through):
        side.sync.close()
        await side.asynchronous.close()


async def both(sides, scenario):
    """What the scenario gives on either side, and what the server was asked. A synchronous scenario runs in a thread."""
    results = []
    for side in (sides.direct, sides.through):
        before = len(sides.fake.requests)
        if asyncio.iscoroutinefunction(scenario):
            result = await scenario(side.asynchronous, side.model)
        else:
            result = await asyncio.to_thread(scenario, side.sync, side.model)
        results.append((result, [seen.body for seen in sides.fake.requests[before:]]))
    (expected, asked_directly), (got, asked_through) = results
    assert asked_through == asked_directly
    assert asked_directly
    assert got == expected
    return got


def user(text: str, *parts):
    return [{"role": "user", "content": [{"type": "text", "text": text}, *parts] if parts else text}]


async def test_a_question_and_an_answer(sides):
    got = await both(sides, lambda client, model: client.chat.completions.create(model=model, messages=user("hi")).model_dump())
    assert got["choices"][0]["message"]["content"] == "you said: hi \u2713"
    assert got["usage"]["total_tokens"] == 10


async def test_the_same_asynchronously(sides):
    async def scenario(client, model):
        return (await client.chat.completions.create(model=model, messages=user("hi"))).model_dump()

    await both(sides, scenario)


async def test_a_stream(sides):
    def scenario(client, model):
        with client.chat.completions.create(
            model=model, messages=user("one two"), stream=True, stream_options={"include_usage": True}
        ) as stream:
            return [chunk.model_dump() for chunk in stream]

    got = await both(sides, scenario)
    assert "".join(chunk["choices"][0]["delta"]["content"] or "" for chunk in got if chunk["choices"]) == "you said: one two \u2713"
    assert got[-1]["usage"]["total_tokens"] == 10


async def test_an_asynchronous_stream(sides):
    async def scenario(client, model):
        return [
            chunk.model_dump()
            async for chunk in await client.chat.completions.create(model=model, messages=user("hi"), stream=True)
        ]

    assert len(await both(sides, scenario)) > 3


async def test_the_streaming_helper_and_its_events(sides):
    def scenario(client, model):
        with client.chat.completions.stream(model=model, messages=user("hi"), tools=[WEATHER, TIME]) as stream:
            kinds = [event.type for event in stream]
            return kinds, stream.get_final_completion().model_dump()

    kinds, final = await both(sides, scenario)
    assert "tool_calls.function.arguments.done" in kinds
    assert [call["function"]["name"] for call in final["choices"][0]["message"]["tool_calls"]] == ["weather", "time"]


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("streamed", [True, False])
async def test_tools_there_and_back(sides, parallel, streamed):
    def scenario(client, model):
        messages = user("what is it like in Li\u00e8ge?")
        asked = {"model": model, "tools": [WEATHER, TIME], "parallel_tool_calls": parallel}
        if streamed:
            return [chunk.model_dump() for chunk in client.chat.completions.create(messages=messages, stream=True, **asked)]
        first = client.chat.completions.create(messages=messages, **asked)
        calls = first.choices[0].message.tool_calls
        messages += [first.choices[0].message, *[{"role": "tool", "tool_call_id": call.id, "content": "fine"} for call in calls]]
        second = client.chat.completions.create(messages=messages, **asked)
        return first.model_dump(), second.model_dump()

    got = await both(sides, scenario)
    if not streamed:
        first, second = got
        assert len(first["choices"][0]["message"]["tool_calls"]) == (2 if parallel else 1)
        assert second["choices"][0]["message"]["content"] == "you said: fine \u2713"


async def test_a_tool_that_must_be_called(sides):
    choice = {"type": "function", "function": {"name": "time"}}
    got = await both(
        sides,
        lambda client, model: client.chat.completions.create(
            model=model, messages=user("x"), tools=[WEATHER, TIME], tool_choice=choice
        ).model_dump(),
    )
    assert [call["function"]["name"] for call in got["choices"][0]["message"]["tool_calls"]] == ["time"]


async def test_structured_output_is_parsed(sides):
    def scenario(client, model):
        parsed = client.chat.completions.parse(model=model, messages=user("who?"), response_format=Person)
        return parsed.choices[0].message.parsed.model_dump(), parsed.choices[0].message.content, parsed.usage.model_dump()

    assert (await both(sides, scenario))[0] == PERSON


async def test_pictures_and_everything_else_arrive(sides):
    def scenario(client, model):
        return client.chat.completions.create(
            model=model,
            messages=[{"role": "developer", "content": "brief"}, *user("what?", PICTURE)],
            n=2,
            logprobs=True,
            seed=7,
            stop=["END"],
            temperature=0.2,
            max_completion_tokens=50,
            logit_bias={"50256": -100},
            reasoning_effort="low",
            metadata={"a": "b"},
            extra_body={"nobody_knows": {"this": ["yet"]}, "top_k": 5},
            extra_headers={"x-anything": "else"},
        ).model_dump()

    got = await both(sides, scenario)
    assert len(got["choices"]) == 2
    assert got["choices"][1]["logprobs"]["content"][0]["token"] == "you"
    assert sides.fake.requests[-1].json["nobody_knows"] == {"this": ["yet"]}


async def test_the_raw_response_tells_which_way_it_went(sides):
    def raw(client, model):
        response = client.chat.completions.with_raw_response.create(model=model, messages=user("hi"))
        return response.headers, response.parse().model_dump(), response.content

    headers, parsed, content = await asyncio.to_thread(raw, sides.through.sync, "auto")
    _, expected, expected_content = await asyncio.to_thread(raw, sides.direct.sync, "real-model")
    assert (parsed, content) == (expected, expected_content)
    assert headers["x-octoroute-endpoint"] == "a"
    assert headers["x-octoroute-tier"] == "fast"
    assert headers["x-request-id"].startswith("req_")


async def test_a_streaming_response_read_line_by_line(sides):
    def scenario(client, model):
        with client.chat.completions.with_streaming_response.create(model=model, messages=user("hi"), stream=True) as response:
            return list(response.iter_lines())

    assert (await both(sides, scenario))[-2] == "data: [DONE]"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "BadRequestError"), (404, "NotFoundError"), (413, "APIStatusError"), (422, "UnprocessableEntityError")],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_refusal_is_the_same_error(sides, status, kind, streamed):
    def scenario(client, model):
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model=model, messages=user(f"fail {status}"), stream=streamed)
        error = caught.value
        return type(error).__name__, error.status_code, error.code, error.param, error.type, error.body, error.message

    got = await both(sides, scenario)
    assert got[:3] == (kind, status, f"code_{status}")


@pytest.mark.parametrize(("text", "kind", "status"), [("fail 429", "RateLimitError", 429), ("fail 500", "InternalServerError", 502), ("fail 503", "InternalServerError", 502), ("fail 409", "InternalServerError", 502), ("fail 403", "InternalServerError", 502)])  # fmt: skip
async def test_failures_are_errors_of_the_right_class(sides, text, kind, status):
    def scenario():
        with pytest.raises(openai.APIStatusError) as caught:
            sides.through.sync.chat.completions.create(model="model-a", messages=user(text))
        return caught.value

    error = await asyncio.to_thread(scenario)
    assert (type(error).__name__, error.status_code) == (kind, status)
    assert error.code
    assert error.request_id.startswith("req_")
    if status == 429:
        assert error.response.headers["retry-after"] == "7"


async def test_our_own_refusals_are_errors_of_the_right_class(sides):
    def raised(client, **asked):
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(**{"model": "auto", "messages": user("hi"), **asked})
        return caught.value

    client = sides.through.sync
    unknown = await asyncio.to_thread(lambda: raised(client, model="gpt-9"))
    assert (type(unknown).__name__, unknown.code, unknown.param) == ("NotFoundError", "model_not_found", "model")
    bad = await asyncio.to_thread(lambda: raised(client, temperature=9))
    assert (type(bad).__name__, bad.param) == ("BadRequestError", "temperature")
    stranger = await asyncio.to_thread(lambda: raised(client.with_options(api_key="wrong")))
    assert (type(stranger).__name__, stranger.code) == ("AuthenticationError", "invalid_api_key")


async def test_a_stream_that_breaks_raises_instead_of_ending(sides):
    def scenario():
        got = []
        with pytest.raises(openai.APIError) as caught:
            for chunk in sides.through.sync.chat.completions.create(model="auto", messages=user("break"), stream=True):
                got.append(chunk.choices[0].delta.content)
        return got, caught.value

    got, error = await asyncio.to_thread(scenario)
    assert got[-1] == "half "
    assert error.code == "upstream_failed"


async def test_the_models_are_listed_and_found(sides):
    def scenario(client):
        return [model.id for model in client.models.list()], client.models.retrieve("model-a").owned_by

    listed, owner = await asyncio.to_thread(scenario, sides.through.sync)
    assert listed == ["auto", "fast", "balanced", "deep", "model-a"]
    assert owner == "user"


async def test_a_client_that_closes_its_stream_closes_the_upstream(sides):
    async def scenario(client, model):
        stream = await client.chat.completions.create(model=model, messages=user("hi"), stream=True)
        await anext(aiter(stream))
        await stream.close()

    await scenario(sides.through.asynchronous, "auto")
    await sides.gateway.quiet()
