"""Rules, a provider by name, limits, and the queue, as a client meets them."""

import asyncio
import json

import structlog

from tests.support.fake import by_wish, error, when
from tests.support.live_gateway import endpoint, question, until

KEY = {"authorization": "Bearer first-key"}
OTHER = {"x-api-key": "second-key"}


def provider(fake, **more):
    return {"base_url": fake.url, **more}


async def test_b6_a_rule_decides_and_says_so_everywhere(make_fake, make_gateway):
    small, big = await make_fake(), await make_fake()
    rules = [
        {"name": "json goes deep", "request_type": "json", "tier": "deep"},
        {"name": "no", "user": "mallory", "reject": "not you"},
    ]
    gateway = await make_gateway(balanced=[endpoint(small, "small")], deep=[endpoint(big, "big")], routing={"rules": rules})
    wants_json = question(response_format={"type": "json_object"})
    with structlog.testing.capture_logs() as logs:
        response = await gateway.ask(wants_json)
    assert (response.status_code, response.headers["x-octoroute-tier"], response.headers["x-octoroute-strategy"]) == (
        200,
        "deep",
        "rule",
    )
    assert len(big.requests) == 1
    assert next(line["rule"] for line in logs if line["event"] == "request") == "json goes deep"
    assert gateway.metric("octoroute_routing_decisions_total", reason="json goes deep", tier="deep") == 1
    told = (await gateway.ask(wants_json, "/v1/route")).json()
    assert (told["rule"], told["tier"], told["strategy"], told["reason"]) == (
        "json goes deep",
        "deep",
        "rule",
        "the rule 'json goes deep'",
    )
    refused = await gateway.ask(question(user="mallory"))
    assert (refused.status_code, refused.json()["error"]["message"]) == (403, "not you")
    assert (await gateway.ask(question(user="mallory"), "/v1/route")).json()["rejected"] == "not you"
    assert small.requests == []


async def test_b6_a_rule_knows_the_clients_key(make_fake, make_gateway):
    small, big = await make_fake(), await make_fake()
    gateway = await make_gateway(
        balanced=[endpoint(small, "small")],
        deep=[endpoint(big, "big")],
        auth={"keys": ["first-key", "second-key"]},
        routing={"rules": [{"name": "second is deep", "key": "key-2", "tier": "deep"}]},
    )
    with structlog.testing.capture_logs() as logs:
        first, second = await gateway.ask(headers=KEY), await gateway.ask(headers=OTHER)
    assert [one.headers["x-octoroute-tier"] for one in (first, second)] == ["balanced", "deep"]
    assert [line["key"] for line in logs if line["event"] == "request"] == ["key-1", "key-2"]
    assert (await gateway.ask(None, "/v1/route", OTHER)).json()["rule"] == "second is deep"


async def test_b19_provider_and_model_over_http(make_fake, make_gateway):
    azure, other = await make_fake(), await make_fake()
    gateway = await make_gateway(
        balanced=[{"name": "gpt-4o", "provider": "west"}, {"name": "gpt-4o", "provider": "east"}],
        providers={"west": provider(azure), "east": provider(other)},
    )
    for _ in range(5):
        assert (await gateway.ask(model="west/gpt-4o")).status_code == 200
    assert (len(azure.requests), len(other.requests)) == (5, 0)
    assert azure.requests[0].json["model"] == "gpt-4o"
    assert (await gateway.ask(model="gpt-4o", headers={"x-octoroute-provider": "east"})).status_code == 200
    assert len(other.requests) == 1
    assert (await gateway.ask(model="west/nothing")).json()["error"]["code"] == "model_not_found"


async def test_b9_a_limit_of_a_provider_is_429_with_retry_after(make_fake, make_gateway):
    fake = await make_fake()
    gateway = await make_gateway(balanced=[{"name": "m", "provider": "p"}], providers={"p": provider(fake, requests_per_minute=2)})
    assert [(await gateway.ask()).status_code for _ in range(2)] == [200, 200]
    refused = await gateway.ask()
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 25 <= int(refused.headers["retry-after"]) <= 30
    assert len(fake.requests) == 2


async def test_b28_a_request_waits_for_a_place_and_the_depth_is_a_metric(make_fake, make_gateway):
    fake, gate = await make_fake(), asyncio.Event()
    fake.then(when(gate, by_wish)).always(by_wish)
    gateway = await make_gateway(balanced=[endpoint(fake, max_in_flight=1)], queue={"max_waiting": 5, "max_wait_seconds": 20})
    tasks = [asyncio.ensure_future(gateway.ask())]
    await fake.asked()
    tasks += [asyncio.ensure_future(gateway.ask(stream=True)) for _ in range(2)]
    await until(lambda: gateway.metric("octoroute_queue_depth") == 2)
    gate.set()
    answers = await asyncio.gather(*tasks)
    assert [one.status_code for one in answers] == [200, 200, 200]
    assert (fake.most_in_flight, gateway.metric("octoroute_queue_depth")) == (1, 0)
    assert gateway.metric("octoroute_queue_wait_seconds_count", ending="answered") == 2


async def test_b28_who_hangs_up_while_waiting_is_gone(make_fake, make_gateway):
    fake, gate = await make_fake(), asyncio.Event()
    fake.then(when(gate, by_wish)).always(by_wish)
    gateway = await make_gateway(balanced=[endpoint(fake, max_in_flight=1)], queue={"max_waiting": 5, "max_wait_seconds": 20})
    first = asyncio.ensure_future(gateway.ask())
    await fake.asked()
    waiting = asyncio.ensure_future(gateway.ask())
    await until(lambda: gateway.app.gateway.queue.depth == 1)
    waiting.cancel()
    await until(lambda: gateway.app.gateway.queue.depth == 0)
    gate.set()
    assert (await first).status_code == 200
    await gateway.quiet()
    assert len(fake.requests) == 1


async def test_b28_after_the_wait_it_is_429_in_the_clients_envelope(make_fake, make_gateway):
    fake, gate = await make_fake(), asyncio.Event()
    fake.always(when(gate, by_wish))
    gateway = await make_gateway(balanced=[endpoint(fake, max_in_flight=1)], queue={"max_waiting": 1, "max_wait_seconds": 0.2})
    first = asyncio.ensure_future(gateway.ask())
    await fake.asked()
    body = {"model": "auto", "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]}
    refused = await gateway.ask(body, "/v1/messages")
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")
    assert int(refused.headers["retry-after"]) >= 1
    gate.set()
    await first


async def test_a7_fallback_by_provider_over_http(make_fake, make_gateway):
    one, two = await make_fake(), await make_fake()
    one.always(error(401))
    gateway = await make_gateway(
        balanced=[{"name": name, "provider": where} for where in ("p1", "p2") for name in (f"{where}-a", f"{where}-b")],
        providers={"p1": provider(one), "p2": provider(two)},
        selection={"order": "priority"},
        retry={"max_attempts": 0},
    )
    for stream in (False, True):
        response = await gateway.ask(stream=stream)
        assert (response.status_code, response.headers["x-octoroute-model"]) == (200, "p2-a")
    assert [json.loads(request.body)["model"] for request in one.requests] == ["p1-a"]
