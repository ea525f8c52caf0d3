"""LangChain's OpenAI client, against octoroute and against the server behind it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from tests.support.actor import PERSON, act
from tests.support.live_gateway import endpoint

pydantic = pytest.importorskip("pydantic", reason="pip install --group e2e")
langchain = pytest.importorskip("langchain_openai", reason="pip install --group e2e")


class Person(pydantic.BaseModel):
    """Somebody."""

    name: str
    age: int


def weather(city: str) -> str:
    """How the weather is."""
    return f"fine in {city}"


@pytest.fixture
async def sides(fake, make_gateway):
    fake.always(act)
    gateway = await make_gateway([endpoint(fake, "model-a", id="a", model="real-model")])

    def model(base_url: str, name: str):
        return langchain.ChatOpenAI(base_url=base_url, model=name, api_key="k", max_retries=0, timeout=20, temperature=0)

    return SimpleNamespace(direct=model(fake.url, "real-model"), through=model(gateway.url + "/v1", "auto"), fake=fake)


def said(message) -> tuple:
    return message.content, getattr(message, "tool_calls", None), getattr(message, "usage_metadata", None)


async def both(sides, scenario):
    results = []
    for model in (sides.direct, sides.through):
        before = len(sides.fake.requests)
        result = await scenario(model) if asyncio.iscoroutinefunction(scenario) else await asyncio.to_thread(scenario, model)
        results.append((result, sorted(seen.body for seen in sides.fake.requests[before:])))
    assert results[1] == results[0]
    assert results[0][1]
    return results[0][0]


async def test_invoke(sides):
    content, _, usage = await both(sides, lambda model: said(model.invoke("hi")))
    assert content == "you said: hi \u2713"
    assert usage["total_tokens"] == 10


async def test_ainvoke(sides):
    async def scenario(model):
        return said(await model.ainvoke([("system", "brief"), ("human", "hi")]))

    await both(sides, scenario)


async def test_stream(sides):
    got = await both(sides, lambda model: [said(piece) for piece in model.stream("one two three")])
    assert "".join(content for content, *_ in got) == "you said: one two three \u2713"


async def test_astream(sides):
    async def scenario(model):
        return [said(piece) async for piece in model.astream("one two three")]

    assert len(await both(sides, scenario)) > 3


async def test_batch(sides):
    got = await both(sides, lambda model: [said(message) for message in model.batch(["a", "b", "c"])])
    assert [content for content, *_ in got] == ["you said: a \u2713", "you said: b \u2713", "you said: c \u2713"]


async def test_bind_tools(sides):
    def scenario(model):
        message = model.bind_tools([weather]).invoke("how is it?")
        return said(message)

    _, calls, _ = await both(sides, scenario)
    assert [(call["name"], call["args"]) for call in calls] == [("weather", {"city": "Li\u00e8ge"})]


async def test_tools_in_a_stream(sides):
    def scenario(model):
        total = None
        for piece in model.bind_tools([weather]).stream("how is it?"):
            total = piece if total is None else total + piece
        return said(total)

    _, calls, _ = await both(sides, scenario)
    assert calls[0]["args"] == {"city": "Li\u00e8ge"}


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
async def test_with_structured_output(sides, method):
    def scenario(model):
        return model.with_structured_output(Person, method=method).invoke("who, as json?").model_dump()

    assert await both(sides, scenario) == PERSON


async def test_a_refusal_is_the_same_error(sides):
    def scenario(model):
        with pytest.raises(Exception, match="as you wish") as caught:
            model.invoke("fail 400")
        return type(caught.value).__name__, str(caught.value)

    assert (await both(sides, scenario))[0] in {"BadRequestError", "OpenAIInvalidRequestError"}
