"""OpenAI's own SDK lets the gateway keep its conversations, in front of every kind of endpoint."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable

import pytest

pytest.importorskip("openai", reason="pip install --group e2e")
pytest.importorskip("anthropic", reason="pip install --group e2e")
pytest.importorskip("google.genai", reason="pip install --group e2e")

import openai
from openai.types.responses import Response, ResponseCompactionItem

from tests.support.sums import ANSWER, TASK, Desk, model
from tests.support.vendors import VENDORS, Call

INTEGER, STRING = {"type": "integer"}, {"type": "string"}
PARAMETERS = {
    "add": {"a": INTEGER, "b": INTEGER},
    "multiply": {"a": INTEGER, "b": INTEGER},
    "write_down": {"text": STRING},
    "look_up": {"page": STRING},
}
TOOLS = [
    {
        "type": "function",
        "name": name,
        "strict": False,
        "parameters": {"type": "object", "properties": fields, "required": [*fields]},
    }
    for name, fields in PARAMETERS.items()
]


@pytest.fixture
async def clients() -> AsyncIterator[Callable[[str], openai.AsyncOpenAI]]:
    async with contextlib.AsyncExitStack() as stack:

        def make(url: str) -> openai.AsyncOpenAI:
            sdk = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="not-needed", max_retries=0)
            stack.push_async_callback(sdk.close)
            return sdk

        yield make


async def answer(sdk: openai.AsyncOpenAI, streamed: bool, **request) -> Response:
    """By the SDK's types, which it does not enforce by itself."""
    asked = {"model": "auto", "instructions": "You are good at sums.", "tools": TOOLS, **request}
    if not streamed:
        return Response.model_validate((await sdk.responses.create(**asked)).to_dict())
    events = [event async for event in await sdk.responses.create(**asked, stream=True)]
    assert events[-1].type == "response.completed"
    return Response.model_validate(events[-1].response.to_dict())


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_loop_that_sends_only_what_is_new(street, clients, kind, streamed):
    there = await street(kind, model)
    sdk, desk = clients(there.gateway.url), Desk()
    turns = [await answer(sdk, streamed, input=TASK)]
    while calls := [item for item in turns[-1].output if item.type == "function_call"]:
        results = [
            {
                "type": "function_call_output",
                "call_id": call.call_id,
                "output": str(getattr(desk, call.name)(**json.loads(call.arguments))),
            }
            for call in calls
        ]
        turns.append(await answer(sdk, streamed, input=results, previous_response_id=turns[-1].id))
    assert (turns[-1].output_text, len(turns)) == (ANSWER, 5)
    assert len(there.server.asked[-1].said(Call)) == 5
    for turn in turns:
        assert (await sdk.responses.retrieve(turn.id)).to_dict() == turn.to_dict()
    items = [item async for item in sdk.responses.input_items.list(turns[-1].id, limit=3, order="asc")]
    assert [item.type for item in items if item.type != "message"] == [
        *["function_call"] * 2, *["function_call_output"] * 2, *["function_call", "function_call_output"] * 3
    ]  # fmt: skip
    assert len({item.id for item in items}) == len(items)
    if kind == "openai":  # which cannot count: the others' fakes are not asked to
        counted = await sdk.responses.input_tokens.count(model="auto", input="and?", previous_response_id=turns[-1].id)
        assert counted.input_tokens > 50
    await sdk.responses.delete(turns[0].id)
    with pytest.raises(openai.BadRequestError) as caught:
        await answer(sdk, streamed, input="and?", previous_response_id=turns[-1].id)
    assert caught.value.code == "previous_response_not_found"


@pytest.mark.parametrize("kind", VENDORS)
async def test_a_compacted_conversation_goes_on(street, clients, kind):
    there = await street(kind, model)
    sdk = clients(there.gateway.url)
    first = await answer(sdk, False, input=TASK)
    compacted = await sdk.responses.compact(model="auto", previous_response_id=first.id)
    assert isinstance(compacted.output[-1], ResponseCompactionItem)
    assert compacted.usage.output_tokens > 0
    items = [item.to_dict(mode="json", warnings=False) for item in compacted.output]
    if (
        kind == "responses"
    ):  # whose fake goes by the SDK's types: they know no id of a user's message, although compactions have them
        items = [{name: value for name, value in item.items() if name != "id"} for item in items]
    there.fake.requests.clear()
    await answer(sdk, False, input=[*items, {"role": "user", "content": "go on"}])
    asked = there.fake.requests[-1].body.decode()
    assert "summary of the conversation" in asked
    assert TASK in asked


@pytest.mark.parametrize("kind", VENDORS)
async def test_the_same_over_a_websocket(street, clients, kind):
    there = await street(kind, model)
    sdk, desk = clients(there.gateway.url), Desk()
    asked = {"model": "auto", "instructions": "You are good at sums.", "tools": TOOLS, "store": False}
    async with sdk.responses.connect() as connection:
        await connection.response.create(**asked, input=TASK)
        turns = 0
        while turns < 6:
            turns += 1
            while (event := await connection.recv()).type != "response.completed":
                assert event.type != "error", event
            response = Response.model_validate(event.response.to_dict())
            results = [
                {
                    "type": "function_call_output",
                    "call_id": item.call_id,
                    "output": str(getattr(desk, item.name)(**json.loads(item.arguments))),
                }
                for item in response.output
                if item.type == "function_call"
            ]
            if not results:
                break
            await connection.response.create(**asked, input=results, previous_response_id=response.id)
    assert (response.output_text, turns) == (ANSWER, 5)
    assert len(there.server.asked[-1].said(Call)) == 5
