from __future__ import annotations

from random import Random

from octoroute.domain.price import Price
from tests.support.spine import make_endpoint
from tests.unit.balancing.policies.shares import A, asked, build, close_to, firsts


def test_b10_cheapest_capable_first_and_no_price_last():
    dear = make_endpoint("dear", price=Price(input=10.0, output=30.0))
    cheap = make_endpoint("cheap", price=Price(input=0.1, output=0.2))
    order = build("cheapest").order([A, dear, cheap], asked(), Random(1).random)
    assert [endpoint.id for endpoint in order] == ["cheap", "dear", "a"]


def test_b26_cheapest_depends_on_what_is_asked():
    talker = make_endpoint("talker", price=Price(input=5.0, output=1.0))
    reader = make_endpoint("reader", price=Price(input=0.5, output=9.0))
    policy, random = build("cheapest"), Random(1).random
    assert policy.order([talker, reader], asked("x" * 80_000, max_tokens=10), random)[0].id == "reader"
    assert policy.order([talker, reader], asked("x", max_tokens=4000), random)[0].id == "talker"


def test_b26_equal_prices_share_by_weight():
    price = Price(input=1.0, output=1.0)
    pair = [make_endpoint("a", price=price), make_endpoint("b", price=price, weight=3.0)]
    assert close_to(firsts(build("cheapest"), pair, 2000)["b"], 0.75, 2000)


def test_a_free_endpoint_comes_before_a_priced_one_and_one_without_a_price_after_it():
    free, priced = make_endpoint("free", price=Price()), make_endpoint("priced", price=Price(input=0.1))
    assert build("cheapest").order([A, priced, free], asked(), Random(1).random) == [free, priced, A]
