"""Agents: loops of tool calls that end with the same answer whichever SDK drives them and whichever vendor thinks."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any

import pytest

anthropic = pytest.importorskip("anthropic", reason="the e2e group is not installed")
openai = pytest.importorskip("openai", reason="the e2e group is not installed")
pydantic_ai = pytest.importorskip("pydantic_ai", reason="the e2e group is not installed")
pytest.importorskip("google.genai", reason="the e2e group is not installed")

from tests.support.sdks import client_without_tls  # noqa: E402 - only where the SDKs are
from tests.support.sums import ANSWER, TASK, Desk, model  # noqa: E402
from tests.support.vendors import VENDORS, Call  # noqa: E402

pairs = pytest.mark.parametrize("kind", VENDORS)
ways = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def done(street) -> None:
    asked = street.server.asked
    assert len(asked) == 5
    assert len(asked[-1].said(Call)) == 5
    assert set(asked[-1].tools) == {"add", "multiply", "write_down", "look_up"}


@ways
@pairs
async def test_the_anthropic_tool_runner(street, kind, streamed):
    there = await street(kind, model)
    desk = Desk()

    @anthropic.beta_async_tool
    async def add(a: int, b: int) -> str:
        """The sum of two numbers.

        Args:
            a: the first
            b: the second
        """
        return desk.add(a, b)

    @anthropic.beta_async_tool
    async def multiply(a: int, b: int) -> str:
        """The product of two numbers."""
        return desk.multiply(a, b)

    @anthropic.beta_async_tool
    async def write_down(text: str) -> str:
        """Writes a text down and says where."""
        return desk.write_down(text)

    @anthropic.beta_async_tool
    async def look_up(page: str) -> str:
        """What stands on a page."""
        return desk.look_up(page)

    sdk = anthropic.AsyncAnthropic(base_url=there.gateway.url, api_key="k", max_retries=0, http_client=client_without_tls())
    there.leaving.append(sdk.close)
    asked: dict[str, Any] = {
        "model": "haiku",
        "max_tokens": 1000,
        "tools": [add, multiply, write_down, look_up],
        "messages": [{"role": "user", "content": TASK}],
        "system": "You are good at sums.",
    }
    message = None
    if streamed:
        async for stream in sdk.beta.messages.tool_runner(**asked, stream=True):
            message = await stream.get_final_message()
    else:
        message = await sdk.beta.messages.tool_runner(**asked).until_done()
    assert message is not None
    assert [block.text for block in message.content] == [ANSWER]
    done(there)


def _chat(url: str) -> tuple[Any, Any]:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    sdk = openai.AsyncOpenAI(base_url=url + "/v1", api_key="k", max_retries=0, http_client=client_without_tls())
    return sdk, OpenAIChatModel("auto", provider=OpenAIProvider(openai_client=sdk))


def _responses(url: str) -> tuple[Any, Any]:
    from pydantic_ai.models.openai import OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    sdk = openai.AsyncOpenAI(base_url=url + "/v1", api_key="k", max_retries=0, http_client=client_without_tls())
    return sdk, OpenAIResponsesModel("auto", provider=OpenAIProvider(openai_client=sdk))


def _messages(url: str) -> tuple[Any, Any]:
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    sdk = anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0, http_client=client_without_tls())
    return sdk, AnthropicModel("auto", provider=AnthropicProvider(anthropic_client=sdk))


async def _watch(context: Any, events: AsyncIterable[Any]) -> None:
    """That somebody wants the events makes the agent ask for streams."""
    async for _ in events:
        pass


MODELS = {"chat": _chat, "responses": _responses, "messages": _messages}


@ways
@pairs
@pytest.mark.parametrize("client", MODELS)
async def test_pydantic_ai(street, client, kind, streamed):
    there = await street(kind, model)
    sdk, spoken_to = MODELS[client](there.gateway.url)
    there.leaving.append(sdk.close)
    desk = Desk()
    agent = pydantic_ai.Agent(spoken_to, tools=[desk.add, desk.multiply, desk.write_down, desk.look_up], instructions="Be exact.")
    run = await agent.run(TASK, event_stream_handler=_watch if streamed else None)
    assert run.output == ANSWER
    assert {asked.stream for asked in there.server.asked} == {streamed}
    done(there)
