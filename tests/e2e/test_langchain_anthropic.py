"""LangChain's Anthropic client against every kind of vendor: words, streams, tools and their results, images, structured answers."""

from __future__ import annotations

import asyncio
import warnings

import pytest

langchain = pytest.importorskip("langchain_anthropic", reason="pip install --group e2e")
pytest.importorskip("google.genai", reason="pip install --group e2e")
pytest.importorskip("openai", reason="pip install --group e2e")

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage  # noqa: E402 - only where LangChain is

from tests.support.sdks import City  # noqa: E402
from tests.support.vendors import VENDORS, Asked, Call, Image, Says  # noqa: E402

pairs = pytest.mark.parametrize("kind", VENDORS)
PNG = Image("image/png", "iVBORw0KGgo=")


def add(a: int, b: int) -> str:
    """The sum of two numbers."""
    return str(a + b)


@pytest.fixture
def chat(street):
    async def make(kind: str, says):
        there = await street(kind, says)
        model = langchain.ChatAnthropic(
            model="sonnet", base_url=there.gateway.url, api_key="k", max_retries=0, timeout=20, max_tokens=300
        )
        return there, model

    return make


@pairs
async def test_words_whole_and_streamed(chat, kind):
    there, model = await chat(kind, Says("Gr\u00fc\u00dfe aus Ulm"))
    heard = await model.ainvoke([SystemMessage("be brief"), HumanMessage("hello")])
    assert heard.text == "Gr\u00fc\u00dfe aus Ulm"
    assert (heard.usage_metadata["input_tokens"], heard.usage_metadata["output_tokens"]) == (100, 20)
    assert heard.usage_metadata["input_token_details"]["cache_read"] == 40
    assert (there.asked.system, there.asked.turns) == ("be brief", [("user", "hello")])
    pieces = [piece async for piece in model.astream("hello")]
    assert "".join(piece.text for piece in pieces) == "Gr\u00fc\u00dfe aus Ulm"
    assert len(pieces) > 3


@pairs
async def test_two_tools_at_once_and_their_results(chat, kind):
    def think(asked: Asked) -> Says:
        results = asked.results()
        if not results:
            return Says("", [Call("add", {"a": 2, "b": 3}), Call("add", {"a": 4, "b": 5})], "tools")
        return Says(f"{results['add(2,3)']} and {results['add(4,5)']}")

    _, model = await chat(kind, think)
    bound = model.bind_tools([add])
    history = [HumanMessage("2 + 3, and 4 + 5?")]
    total = None
    async for piece in bound.astream(history):
        total = piece if total is None else total + piece
    assert total is not None
    assert [(call["name"], call["args"]) for call in total.tool_calls] == [("add", {"a": 2, "b": 3}), ("add", {"a": 4, "b": 5})]
    results = [ToolMessage(add(**call["args"]), tool_call_id=call["id"]) for call in total.tool_calls]
    assert (await bound.ainvoke([*history, total, *results])).text == "5 and 9"


@pairs
async def test_an_image(chat, kind):
    there, model = await chat(kind, Says("a picture"))
    picture = {"type": "image", "source": {"type": "base64", "media_type": PNG.media_type, "data": PNG.data}}
    await model.ainvoke([HumanMessage([{"type": "text", "text": "what is this?"}, picture])])
    assert there.asked.said(Image) == [PNG]


@pairs
async def test_structured_answers(chat, kind):
    there, model = await chat(kind, Says("", [Call("City", {"name": "Ulm", "inhabitants": 126000})], "tools"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangChain's own advice about its arguments
        wanting = model.with_structured_output(City)
    assert await wanting.ainvoke("where are we?") == City(name="Ulm", inhabitants=126000)
    assert there.asked.choice is not None


@pairs
async def test_it_works_from_a_thread_too(chat, kind):
    _, model = await chat(kind, Says("hello"))
    assert (await asyncio.to_thread(model.invoke, "hi")).text == "hello"
