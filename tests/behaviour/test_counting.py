"""How many tokens is this? Asked of endpoints that can count, estimated for the others."""

from __future__ import annotations

import json

import pytest

from tests.support import fake as scripts
from tests.support.live_gateway import endpoint

QUESTION = {"model": "claude-sonnet-5", "messages": [{"role": "user", "content": "How many tokens does this question have?"}]}


async def count(gateway, **more):
    return await gateway.ask({**QUESTION, **more}, path="/v1/messages/count_tokens?beta=true")


async def test_an_anthropic_endpoint_counts_itself_and_reads_the_clients_bytes(make_fake, make_gateway):
    fake = await make_fake()
    fake.then(scripts.whole({"input_tokens": 1234}))
    gateway = await make_gateway([endpoint(fake, "claude", provider="anthropic")])
    answer = await count(gateway, system="be brief")
    assert answer.json() == {"input_tokens": 1234}
    assert answer.headers["x-octoroute-token-count"] == "upstream"
    assert fake.requests[-1].path.endswith("/v1/messages/count_tokens")
    assert fake.requests[-1].json == {**QUESTION, "model": "claude", "system": "be brief"}


async def test_a_gemini_endpoint_counts_the_whole_question(make_fake, make_gateway):
    fake = await make_fake()
    fake.then(scripts.whole({"totalTokens": 77}))
    gateway = await make_gateway([endpoint(fake, "gemini-pro", provider="gemini")])
    answer = await count(gateway, system="be brief")
    assert answer.json() == {"input_tokens": 77}
    asked = fake.requests[-1].json["generateContentRequest"]
    assert asked["model"] == "models/gemini-pro"
    assert "be brief" in json.dumps(asked["systemInstruction"])


async def test_an_openai_endpoint_is_not_asked(make_fake, make_gateway):
    fake = await make_fake()
    gateway = await make_gateway([endpoint(fake)])
    few = await count(gateway)
    many = await count(gateway, tools=[{"name": "t", "description": "d" * 4000, "input_schema": {"type": "object"}}])
    assert few.headers["x-octoroute-token-count"] == "estimate"
    assert few.json()["input_tokens"] < 30
    assert many.json()["input_tokens"] > few.json()["input_tokens"] + 500
    assert not fake.requests


@pytest.mark.parametrize("status", [404, 405, 500])
async def test_p107_an_endpoint_that_cannot_count_costs_nothing_but_the_estimate(make_fake, make_gateway, status):
    fake = await make_fake()
    fake.always(scripts.error(status))
    gateway = await make_gateway([endpoint(fake, "claude", id="c", provider="anthropic")])
    for _ in range(5):
        answer = await count(gateway)
        assert answer.status_code == 200
        assert answer.headers["x-octoroute-token-count"] == "estimate"
    assert (await gateway.row("c"))["consecutive_failures"] == 0


async def test_p108_refused_credentials_are_not_masked_by_an_estimate(make_fake, make_gateway):
    fake = await make_fake()
    fake.always(scripts.error(401))
    gateway = await make_gateway([endpoint(fake, "claude", provider="anthropic")])
    answer = await count(gateway)
    assert answer.status_code == 502
    assert answer.json()["type"] == "error"


async def test_reported_usage_teaches_the_estimate(make_fake, make_gateway):
    fake = await make_fake()
    gateway = await make_gateway([endpoint(fake)])
    before = (await count(gateway)).json()["input_tokens"]
    fake.always(
        scripts.whole(
            scripts.completion(usage={"prompt_tokens": 2 * before, "completion_tokens": 1, "total_tokens": 2 * before + 1})
        )
    )
    for _ in range(10):
        await gateway.ask({**QUESTION, "max_tokens": 5}, path="/v1/messages")
    assert (await count(gateway)).json()["input_tokens"] >= 1.8 * before
