"""What is concluded from the sums, and on what evidence."""

from __future__ import annotations

import pytest

from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.price import Price
from octoroute.errors import BadRequest
from octoroute.store.analysis import WEEK_S, analyse, analysis_query, analysis_tree
from octoroute.store.memory import MemoryHistory
from tests.support.history import START_S, add, entry

NOW = START_S + 4 * WEEK_S


def target(id: str, tier: Tier, price: Price | None = None) -> Endpoint:
    return Endpoint(
        id=id, name=f"model-{id}", tier=tier, kind="openai", provider="p", base_url="http://h/v1", model="m", price=price
    )


ENDPOINTS = (target("a", Tier.FAST, Price(input=1.0, output=2.0)), target("d", Tier.DEEP, Price(input=10.0, output=30.0)), target("x", Tier.DEEP))  # fmt: skip


class Sums:
    """A history that is filled with many alike requests."""

    def __init__(self) -> None:
        self.store = MemoryHistory(100_000)
        self.count = 0

    def add(self, count: int, *, days_ago: float = 1.0, **more) -> None:
        more = {"asked_for": "auto", "strategy": "learned", **more}
        for _ in range(count):
            self.count += 1
            add(self.store, entry(NOW - days_ago * 86400, f"r{self.count}", nonce=self.count % 1024, **more))

    async def analysis(self, *parameters):
        return analysis_tree(await analyse(self.store, analysis_query(parameters, NOW), ENDPOINTS))


@pytest.fixture
def sums():
    return Sums()


async def test_a_quiet_history_says_little(sums):
    sums.add(300, endpoint="a")
    found = await sums.analysis()
    assert (found["escalations"], found["anomalies"]["found"], found["cheaper_tier"]) == ([], [], [])
    assert not found["anomalies"]["has_week_before"]
    assert [row["endpoint"] for row in found["unused_endpoints"]] == ["d", "x"]
    assert found["from"] == "2027-02-05T08:00:00Z"


async def test_escalations_have_their_cause_and_share(sums):
    sums.add(70, cascade="kept", reason="cascade")
    sums.add(30, cascade="escalated", check="length", tier="deep", reason="cascade", cost_nusd=2_000_000)
    sums.add(5, reason="stuck", tier="deep")
    sums.add(40, asked_for="fast", strategy="client", tier="fast")
    sums.add(10, asked_for="fast", strategy="client", tier="balanced")
    sums.add(9, asked_for="deep", strategy="client", tier="balanced")  # to a smaller tier
    found = (await sums.analysis())["escalations"]
    assert [(row["kind"], row["requests"], row["share"]) for row in found] == [
        ("cascade", 30, 0.3),
        ("stuck", 5, None),
        ("tier_not_available", 10, 0.2),
    ]
    assert (found[0]["check"], found[0]["tier"], found[0]["cost_usd"]) == ("length", "deep", "0.060000")
    assert (found[2]["asked_for"], found[2]["tier"]) == ("fast", "balanced")


async def test_cost_by_reason_the_dearest_first(sums):
    sums.add(10, reason="score", cost_nusd=1_000_000)
    sums.add(2, reason="rule-a", strategy="rule", cost_nusd=15_000_000)
    sums.add(5, reason="length", cost_nusd=None)
    found = (await sums.analysis())["cost_by_reason"]
    assert [(row["reason"], row["cost_usd"], row["cost_share"], row["cost_per_request_usd"]) for row in found] == [
        ("rule-a", "0.030000", 0.75, "0.015000"),
        ("score", "0.010000", 0.25, "0.001000"),
        ("length", "0.000000", 0.0, None),
    ]


async def test_a_week_is_compared_with_the_week_before(sums):
    sums.add(1, days_ago=14)
    sums.add(200, days_ago=8, key="ann")
    sums.add(150, days_ago=9, key="bob")
    sums.add(900, days_ago=1, key="ann")
    found = (await sums.analysis())["anomalies"]
    assert found["has_week_before"]
    by = {(row["what"], *row["group"].items()): (row["before"], row["now"]) for row in found["found"]}
    assert by["requests", ("key", "ann")] == (200, 900)
    assert by["gone", ("key", "bob")] == (150, 0)
    assert by["requests",] == (351, 900)


async def test_a_month_is_compared_with_five_weeks_before(sums):
    sums.add(1, days_ago=50)
    assert not (await sums.analysis(("from", "30d")))["anomalies"]["has_week_before"]
    sums.add(1, days_ago=64.5)
    assert (await sums.analysis(("from", "30d")))["anomalies"]["has_week_before"]


async def test_a_key_whose_own_traffic_the_router_sends_to_a_cheaper_tier(sums):
    sums.add(90, key="ann", tier="fast")
    sums.add(20, key="ann", tier="deep")
    sums.add(
        120,
        key="ann",
        tier="deep",
        asked_for="named",
        strategy="client",
        input_tokens=1000,
        output_tokens=100,
        cost_nusd=13_000_000,
    )
    sums.add(
        120, key="bob", tier="deep", asked_for="deep", strategy="client", input_tokens=1000, output_tokens=100
    )  # nothing known
    (found,) = (await sums.analysis())["cheaper_tier"]
    assert (found["key"], found["tier"], found["cheaper_tier"], found["evidence"], found["requests"]) == (
        "ann",
        "deep",
        "fast",
        "router",
        120,
    )
    assert found["why"] == "the client chose deep; for the same key the router sent 90 of 110 requests to a cheaper tier"
    assert (found["cost_usd"], found["cheaper_cost_usd"]) == ("1.560000", "0.144000")


async def test_small_requests_to_a_bigger_tier_are_a_hint(sums):
    sums.add(150, key="ann", tier="balanced", input_tokens=80, output_tokens=10, cost_nusd=5_000_000)
    sums.add(150, key="bob", tier="balanced", input_tokens=8000, output_tokens=10, cost_nusd=5_000_000)
    sums.add(99, key="eve", tier="balanced", input_tokens=80, output_tokens=10, cost_nusd=5_000_000)
    sums.add(150, key="joe", tier="balanced", input_tokens=80, output_tokens=10, cost_nusd=10_000)  # cheaper than the cheaper tier
    (found,) = (await sums.analysis())["cheaper_tier"]
    assert (found["key"], found["evidence"], found["cheaper_tier"]) == ("ann", "size", "fast")
    assert found["why"].startswith("80 tokens in and 10 out on average")


@pytest.mark.parametrize("name", ["by", "bucket", "colour"])
def test_groups_are_not_for_an_analysis(name):
    with pytest.raises(BadRequest) as raised:
        analysis_query([(name, "day")], NOW)
    assert raised.value.param == name
