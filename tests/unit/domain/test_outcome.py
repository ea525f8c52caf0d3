"""What a request costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.endpoint import Endpoint, Price, Tier
from octoroute.domain.outcome import Attempt, Usage

PRICE = Price(input=3.0, output=15.0, cached=0.3)
ENDPOINT = Endpoint(id="a", name="m", tier=Tier.FAST, kind="openai", provider="p", base_url="http://h/v1", model="m", price=PRICE)
tokens = st.integers(0, 10_000_000)


@pytest.mark.parametrize(
    ("usage", "price", "usd"),
    [
        (Usage(input_tokens=1_000_000), PRICE, 3.0),
        (Usage(output_tokens=1_000_000), PRICE, 15.0),
        (Usage(input_tokens=1_000_000, cached_tokens=1_000_000), PRICE, 0.3),
        (Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=100_000), PRICE, 1.8 + 0.12 + 1.5),
        (Usage(input_tokens=1_000_000, cached_tokens=400_000), Price(input=3.0), 3.0),
        (Usage(output_tokens=1_000_000, reasoning_tokens=900_000), PRICE, 15.0),
        (Usage(), PRICE, 0.0),
        (Usage(input_tokens=5, output_tokens=5), Price(), 0.0),
    ],
)
def test_cost_is_usd_per_million_tokens_with_cached_input_at_its_own_rate(usage, price, usd):
    assert usage.cost(price) == pytest.approx(usd)


def test_a_free_cache_is_not_a_cache_of_unknown_price():
    assert Usage(input_tokens=1_000_000, cached_tokens=1_000_000).cost(Price(input=3.0, cached=0.0)) == 0.0


def test_more_cached_tokens_than_input_tokens_make_no_negative_input():
    assert Usage(input_tokens=10, cached_tokens=1_000_000).cost(PRICE) == pytest.approx(0.3)


@given(tokens, tokens, tokens)
def test_cost_grows_with_tokens_and_a_cheaper_cache_never_makes_it_dearer(fresh, cached, output):
    usage = Usage(input_tokens=fresh + cached, cached_tokens=cached, output_tokens=output)
    cost = usage.cost(PRICE)
    assert 0 <= cost <= usage.cost(Price(input=PRICE.input, output=PRICE.output)) + 1e-9
    assert cost <= Usage(input_tokens=fresh + cached + 1, cached_tokens=cached, output_tokens=output + 1).cost(PRICE)


@pytest.mark.parametrize(("price", "usage"), [(None, Usage(input_tokens=5)), (PRICE, None), (None, None)])
def test_an_attempt_without_usage_or_price_has_no_cost(price, usage):
    endpoint = Endpoint(
        id="a", name="m", tier=Tier.FAST, kind="openai", provider="p", base_url="http://h/v1", model="m", price=price
    )
    assert Attempt(endpoint=endpoint, took_s=1.0, usage=usage).cost_usd is None


def test_an_attempt_costs_what_its_usage_costs_at_its_endpoint():
    usage = Usage(input_tokens=1000, output_tokens=10)
    assert Attempt(endpoint=ENDPOINT, took_s=1.0, usage=usage).cost_usd == usage.cost(PRICE)
