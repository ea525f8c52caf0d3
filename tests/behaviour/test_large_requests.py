"""Requests that take long to read or translate: others are served meanwhile, and what cannot be translated is refused by name."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest

from tests.support.fake import completion, whole
from tests.support.live_gateway import endpoint
from tests.support.messages import answer
from tests.support.pairs import row

GEMINI = {"candidates": [{"content": {"role": "model", "parts": [{"text": "one"}]}, "finishReason": "STOP"}]}


def references(number):
    """670 bytes that stand for thousands of nodes; another title each, so that no cache helps."""
    names = "abcdefgh"
    defs = {one: {"properties": {str(n): {"$ref": two} for n in range(8)}} for one, two in itertools.pairwise(names[:5])}
    return {"$ref": "a", "title": str(number), "$defs": {**defs, "e": {"items": {}}}}


def tools(count, schema):
    return [{"type": "function", "function": {"name": f"f{number}", "parameters": schema(number)}} for number in range(count)]


def many_properties(number):
    return {"type": "object", "title": str(number), "properties": {f"p{n}": {"type": "string"} for n in range(500)}}


SAID = {"role": "user", "content": "hello"}
WORST = {
    "references": {"messages": [SAID], "tools": tools(60, references)},
    "properties": {"messages": [SAID], "tools": tools(60, many_properties)},
    "turns": {"messages": [SAID, {"role": "assistant", "content": "a"}] * 4000 + [SAID]},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * 15_000}]},
    "commas": {"messages": [{"role": "user", "content": "," * 3_000_000}]},
}


@pytest.fixture
async def gateway(make_gateway, make_fake):
    openai, anthropic, gemini = [await make_fake(name) for name in ("openai", "anthropic", "gemini")]
    openai.always(whole(completion("one")))
    anthropic.always(whole(answer("one")))
    gemini.always(whole(GEMINI))
    rows = [row(openai), row(anthropic, "anthropic"), row(gemini, "gemini", model="gemini-2.0-flash")]
    return await make_gateway(rows)


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("shape", WORST)
async def test_others_are_served_while_a_large_request_is_translated(gateway, shape, kind):
    """No time is measured: a gateway that did the work on its loop would answer none of them before it."""
    body = json.dumps({"model": f"model-{kind}", **WORST[shape]}).encode()
    large = asyncio.ensure_future(gateway.ask(body))
    served = 0
    while not large.done():
        assert (await gateway.get("/health/live")).status_code == 200
        served += 1
    response = await large
    assert response.status_code == 200, response.text[:300]
    assert served >= 2, "they waited for it"


@pytest.mark.parametrize("kind", ["anthropic", "gemini"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"messages": [SAID, {"role": "assistant", "content": "a"}] * 5001}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * 20_001}]}, "messages"),
        ({"messages": [SAID], "tools": tools(2001, lambda number: {"type": "object", "title": str(number)})}, "tools"),
    ],
    ids=["messages", "parts", "tools"],
)
async def test_more_parts_than_are_translated_are_refused_by_name(gateway, body, field, kind):
    response = await gateway.ask({"model": f"model-{kind}", **body})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field
    assert response.headers["x-should-retry"] == "false"
    passed = await gateway.ask({"model": "model-openai", **body})
    assert passed.status_code == 200, "where nothing is translated it is the endpoint's to decide"


async def test_schemas_that_were_shortened_are_named(gateway):
    response = await gateway.ask({"model": "model-gemini", **WORST["references"]})
    assert "tools: nested references of" in response.headers["x-octoroute-warning"]


async def test_a_token_count_of_a_large_text_is_an_estimate_in_proportion(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, "m", id="one")])
    counts = []
    for length in (150_000, 3_000_000):
        body = {"model": "m", "messages": [{"role": "user", "content": "words and, numbers 12 " * (length // 22)}]}
        response = await gateway.ask(body, path="/v1/messages/count_tokens")
        counts.append(response.json()["input_tokens"])
    assert counts[1] == pytest.approx(20 * counts[0], rel=0.02)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
async def test_a_body_of_very_many_fields_is_refused(gateway, path):
    response = await gateway.ask(
        {"model": "model-openai", "messages": [SAID], "input": "a", "max_tokens": 1, **{f"k{n}": 0 for n in range(1000)}}, path=path
    )
    assert response.status_code == 400
    assert "fields at its top" in response.text


async def test_others_are_served_while_a_long_history_is_truncated(make_gateway, fake):
    """No time is measured, as above."""
    fake.always(whole(completion("one")))
    gateway = await make_gateway([endpoint(fake, context_window=50_000)], context={"policy": "truncate"})
    history = [SAID, {"role": "assistant", "content": "a" * 300}] * 4000
    large = asyncio.ensure_future(gateway.ask({"model": "auto", "messages": [*history, SAID]}))
    served = 0
    while not large.done():
        assert (await gateway.get("/health/live")).status_code == 200
        served += 1
    response = await large
    assert response.status_code == 200, response.text[:300]
    assert "messages left out" in response.headers["x-octoroute-warning"]
    assert served >= 2, "they waited for it"


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1beta/models/auto:generateContent", "/api/chat"),
        *(
            "/v1/responses/compact",
            "/v1/embeddings",
            "/api/embed",
            "/v1beta/models/auto:embedContent",
            "/v1beta/models/auto:batchEmbedContents",
        ),
        *("/v1/route", "/v1/messages/count_tokens", "/v1/responses/input_tokens", "/v1beta/models/auto:countTokens"),
    ],
)
async def test_more_values_than_are_read_are_refused(make_gateway, fake, path):
    gateway = await make_gateway([endpoint(fake)])
    body = b'{"model":"auto","max_tokens":9,"input":"a","contents":[],"messages":[{"role":"user","content":"a"}],"metadata":[%b0]}'
    response = await gateway.ask(body % (b"[]," * 400_000), path)
    assert response.status_code == 400
    assert "more than 320,000 values" in response.text
    response = await gateway.ask(b'{"model":"auto","a":"%b"}' % (rb"\"," * 5_000_001), path)
    assert response.status_code == 400
    assert "more than 5,000,000 backslashes" in response.text
    assert not fake.requests
