"""Limits and budgets: reserved before a request is sent, settled by what the provider counted, refused in the client's dialect."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.fake import completion, error, whole
from tests.support.live_gateway import endpoint, question
from tests.support.pairs import MESSAGE

PRICE = {"input": 1.0, "output": 2.0}
"""The fake's answers have 7 prompt tokens and 3 of output: 13 micro-dollars."""
COST = 13
KEY = {"x-api-key": "k"}


NOW = 1_796_083_005.0


@pytest.fixture
def make_gateway(make_gateway):
    """Gateways whose clock stands still, so that no minute ends within a test."""

    async def make(*args, **tables):
        return await make_gateway(*args, parts={"wall": lambda: NOW}, **tables)

    return make


def limited(**tables):
    return {"limits": tables}


async def test_requests_above_a_limit_are_429_with_the_headers_that_say_when(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], **limited(everything={"requests_per_minute": 2}))
    assert [(await gateway.ask()).status_code for _ in range(2)] == [200, 200]
    refused = await gateway.ask()
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert refused.headers["ratelimit"].startswith('"everything-requests";r=0;t=')
    assert refused.headers["ratelimit-policy"] == '"everything-requests";q=2;w=60'
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert len(fake.requests) == 2
    assert gateway.metric("octoroute_limit_refusals_total", holder="everything", resource="requests") == 1


async def test_the_refusal_speaks_the_clients_dialect(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], **limited(everything={"requests_per_minute": 1}))
    await gateway.ask()
    refused = await gateway.ask(MESSAGE, "/v1/messages")
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")


async def test_a_budget_is_reserved_before_and_settled_after(make_gateway, fake):
    body = question(max_tokens=10)
    gateway = await make_gateway([endpoint(fake, price=PRICE)], **limited(everything={"budget_usd": {"day": 100e-6}}))
    answers = [await gateway.ask(body) for _ in range(12)]
    served = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert served
    assert len(served) + len(refused) == 12
    assert len(served) * COST <= 100
    assert refused[0].json()["error"]["code"] == "budget_exceeded"
    assert refused[0].headers["x-should-retry"] == "false" or int(refused[0].headers["retry-after"]) <= 60
    left = [float(answer.headers["x-octoroute-budget-remaining"]) for answer in served]
    assert left == sorted(left, reverse=True)
    assert len(fake.requests) == len(served)


async def test_a_request_that_costs_more_than_the_whole_budget_is_402(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, price=PRICE)], **limited(everything={"budget_usd": {"month": 100e-6}}))
    refused = await gateway.ask(question(max_tokens=4000))
    assert (refused.status_code, fake.requests) == (402, [])
    assert "more than the whole budget" in refused.json()["error"]["message"]


async def test_near_the_end_of_a_budget_a_cheaper_endpoint_still_answers(make_gateway, fake):
    dear = endpoint(fake, "dear", id="dear", priority=9, price={"input": 1000.0, "output": 1000.0})
    cheap = endpoint(fake, "cheap", id="cheap", price=PRICE)
    gateway = await make_gateway([dear, cheap], **limited(everything={"budget_usd": {"day": 0.001}}))
    answer = await gateway.ask(question(max_tokens=10))
    assert (answer.status_code, answer.headers["x-octoroute-endpoint"]) == (200, "cheap")


async def test_a_model_over_its_limit_is_passed_over(make_gateway, fake):
    gateway = await make_gateway(
        [endpoint(fake, "first", id="first", priority=9), endpoint(fake, "second", id="second")],
        **limited(models={"first": {"requests_per_minute": 1}}),
    )
    asked = [(await gateway.ask()).headers["x-octoroute-endpoint"] for _ in range(3)]
    assert asked == ["first", "second", "second"]


async def test_each_user_has_a_limit_of_its_own(make_gateway, fake):
    gateway = await make_gateway(
        [endpoint(fake)],
        **limited(each_user={"requests_per_minute": 1}, users={"vip": {"requests_per_minute": 2}}, user_header="x-user-id"),
    )
    assert [(await gateway.ask(question(user=user))).status_code for user in ("a", "a", "b", "vip", "vip", "vip")] == [
        200, 429, 200, 200, 200, 429,
    ]  # fmt: skip
    assert (await gateway.ask(question(user="a"), headers={"x-user-id": "c"})).status_code == 200
    assert (await gateway.ask()).status_code == 200, "without a user there is no limit of one"


async def test_requests_in_flight_are_limited_and_end(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], **limited(everything={"max_in_flight": 2}))
    asked = await asyncio.gather(*(gateway.ask() for _ in range(8)))
    assert {answer.status_code for answer in asked} <= {200, 429}
    assert sum(answer.status_code == 200 for answer in asked) >= 2
    assert [(await gateway.ask()).status_code for _ in range(4)] == [200] * 4


async def test_a_failed_attempt_costs_nothing_and_its_successor_is_billed_once(make_gateway, fake):
    gateway = await make_gateway(
        [endpoint(fake, "a", id="a", priority=9, price=PRICE), endpoint(fake, "b", id="b", price=PRICE)],
        **limited(everything={"budget_usd": {"day": 1.0}}),
    )
    fake.then(error(500), whole(completion()))
    assert (await gateway.ask(question(max_tokens=10))).status_code == 200
    ledger = gateway.app.runtime.gateway.settings.bookkeeper.ledger
    (window,) = [name for name in ledger._backend._spent if "|day|" in name]
    state = (await ledger.read([window]))[window]
    assert (state.spent, state.held) == (COST, 0)


async def test_a_cheap_budget_moves_requests_to_cheaper_tiers_before_it_ends(make_gateway, fake):
    hard = question("Prove that every bounded monotone sequence converges, and justify each step rigorously.", max_tokens=10)
    gateway = await make_gateway(
        [endpoint(fake, "small", price=PRICE)],
        deep=[endpoint(fake, "big", price={"input": 1.0, "output": 4.0})],
        routing={"strategy": "learned"},
        **limited(everything={"budget_usd": {"day": 600e-6}}, pace_from=0.2),
    )
    tiers = [answer.headers["x-octoroute-tier"] for _ in range(30) if (answer := await gateway.ask(hard)).status_code == 200]
    assert tiers[0] == "deep"
    assert tiers[-1] != "deep"


@pytest.mark.parametrize("path", ["/v1/embeddings"])
async def test_other_interfaces_are_limited_too(make_gateway, fake, path):
    gateway = await make_gateway(
        [endpoint(fake)], models={"embedding": [endpoint(fake, "vectors")]}, **limited(everything={"requests_per_minute": 1})
    )
    body = {"model": "vectors", "input": "x"}
    await gateway.ask(body, path)
    assert (await gateway.ask(body, path)).status_code == 429


async def test_shared_limits_in_a_file_outlive_the_gateway(make_gateway, fake, tmp_path):
    shared = {"url": f"sqlite:///{tmp_path / 'limits.db'}"}
    for expected in ([200, 200], [429, 429]):
        gateway = await make_gateway(
            [endpoint(fake, price=PRICE)], shared=shared, **limited(everything={"budget_usd": {"day": 2 * COST / 1e6 + 10e-6}})
        )
        assert [(await gateway.ask(question(max_tokens=5))).status_code for _ in range(2)] == expected
        await gateway.close()


async def test_a_key_has_limits_of_its_own_and_its_group_has_some(make_gateway, fake):
    clients = [
        {"name": "a", "key": "key-of-a-1234567890", "requests_per_minute": 1},
        {"name": "b", "key": "key-of-b-1234567890", "groups": ["team"]},
        {"name": "c", "key": "key-of-c-1234567890", "groups": ["team"]},
    ]
    gateway = await make_gateway(
        [endpoint(fake)], auth={"clients": clients}, **limited(groups={"team": {"requests_per_minute": 3}})
    )

    async def ask(name: str) -> int:
        return (await gateway.ask(headers={"x-api-key": f"key-of-{name}-1234567890"})).status_code

    assert [await ask(name) for name in "aabcbc"] == [200, 429, 200, 200, 200, 429]


async def test_a_store_that_is_away_is_told_and_limits_go_on_as_configured(make_gateway, fake):
    pytest.importorskip("redis")
    tables = limited(everything={"requests_per_minute": 100}, tiers={"deep": {"budget_usd": {"day": 5.0}}})
    gateway = await make_gateway(
        [endpoint(fake, price=PRICE)],
        deep=[endpoint(fake, "big", price=PRICE)],
        shared={"url": "redis://127.0.0.1:9/0", "replicas": 50},
        auth={"keys": ["k"]},
        **tables,
    )
    statuses = [(await gateway.ask(question(model="fast"), headers=KEY)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429], "this process's share"
    assert (await gateway.get("/health")).json()["limits_status"] == "degraded"
    assert gateway.metric("octoroute_limits_store_down") == 1
    assert (await gateway.get("/health/ready")).status_code == 200


async def test_money_is_closed_while_the_store_is_away(make_gateway, fake):
    pytest.importorskip("redis")
    gateway = await make_gateway(
        [endpoint(fake, price=PRICE)],
        shared={"url": "redis://127.0.0.1:9/0"},
        auth={"keys": ["k"]},
        **limited(everything={"budget_usd": {"day": 5.0}}),
    )
    refused = await gateway.ask(question(max_tokens=5), headers=KEY)
    assert (refused.status_code, fake.requests) == (503, [])
    assert "limits cannot be checked" in refused.json()["error"]["message"]


async def test_a_store_that_was_never_read_may_have_keys_and_does_not_open_the_gateway(make_gateway, fake):
    pytest.importorskip("redis")
    gateway = await make_gateway([endpoint(fake)], shared={"url": "redis://127.0.0.1:9/0"})
    for headers in ({}, KEY):
        refused = await gateway.ask(question(), headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")
    assert fake.requests == []
