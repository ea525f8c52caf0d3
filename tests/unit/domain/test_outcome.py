"""What a request costs: whole micro-dollars."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.outcome import Attempt, Usage
from octoroute.domain.price import LongContextPrice, Price

PRICE = Price(input=3.0, output=15.0, cached=0.3)
ENDPOINT = Endpoint(id="a", name="m", tier=Tier.FAST, kind="openai", provider="p", base_url="http://h/v1", model="m", price=PRICE)
tokens = st.integers(0, 10_000_000)
MTOK = 1_000_000


@pytest.mark.parametrize(
    ("usage", "price", "micros"),
    [
        (Usage(input_tokens=MTOK), PRICE, 3_000_000),
        (Usage(output_tokens=MTOK), PRICE, 15_000_000),
        (Usage(input_tokens=MTOK, cached_tokens=MTOK), PRICE, 300_000),
        (Usage(input_tokens=MTOK, cached_tokens=400_000, output_tokens=100_000), PRICE, 1_800_000 + 120_000 + 1_500_000),
        (Usage(input_tokens=MTOK, cached_tokens=400_000), Price(input=3.0), 3_000_000),
        (Usage(output_tokens=MTOK, reasoning_tokens=900_000), PRICE, 15_000_000),
        (Usage(), PRICE, 0),
        (Usage(input_tokens=5, output_tokens=5), Price(), 0),
        (Usage(input_tokens=MTOK, cached_tokens=200_000, cache_write_tokens=300_000), Price(input=3.0, cached=0.3, written=3.75),
         1_500_000 + 60_000 + 1_125_000),
        (Usage(input_tokens=10, cache_write_tokens=10), Price(input=3.0), 30),
        (Usage(output_tokens=1000, reasoning_tokens=600), Price(output=10.0, reasoning=4.0), 4000 + 2400),
        (Usage(input_tokens=1000, audio_input_tokens=700, output_tokens=100, audio_output_tokens=60),
         Price(input=2.5, output=10.0, audio_input=40.0, audio_output=80.0), 750 + 28_000 + 400 + 4800),
        (Usage(input_tokens=100, image_input_tokens=60, output_tokens=500, image_output_tokens=500),
         Price(input=5.0, output=10.0, image_input=10.0, image_output=40.0), 200 + 600 + 20_000),
        (Usage(), Price(request=0.005), 5000),
        (Usage(input_tokens=3), Price(input=1.0, request=0.005), 5003),
        (Usage(input_tokens=1), Price(input=0.5), 1),
        (Usage(input_tokens=1), Price(input=0.49), 0),
        (Usage(input_tokens=7), Price(input=0.1), 1),
    ],
)  # fmt: skip
def test_cost_is_in_whole_micro_dollars_with_each_kind_of_token_at_its_own_rate(usage, price, micros):
    assert usage.cost_micros(price) == micros


@pytest.mark.parametrize(
    ("prompt", "micros"),
    [(200_000, 250_000 + 1000), (200_001, 500_003 + 1500), (500_000, 1_250_000 + 1500), (1_000_001, 4_000_004 + 1500)],
)
def test_a_long_prompt_has_the_price_of_the_step_that_it_is_above(prompt, micros):
    steps = (
        LongContextPrice(above_tokens=200_000, input=2.5, output=15.0),
        LongContextPrice(above_tokens=1_000_000, input=4.0, output=15.0),
    )
    assert Usage(input_tokens=prompt, output_tokens=100).cost_micros(Price(input=1.25, output=10.0, long_context=steps)) == micros


def test_a_free_cache_is_not_a_cache_of_unknown_price():
    assert Usage(input_tokens=MTOK, cached_tokens=MTOK).cost_micros(Price(input=3.0, cached=0.0)) == 0


def test_more_cached_tokens_than_input_tokens_make_no_negative_input():
    assert Usage(input_tokens=10, cached_tokens=MTOK).cost_micros(PRICE) == 300_000
    assert Usage(input_tokens=10, cached_tokens=8, cache_write_tokens=8).cost_micros(Price(input=3.0, written=4.0)) == 24 + 32


@given(tokens, tokens, tokens)
def test_cost_grows_with_tokens_and_a_cheaper_cache_never_makes_it_dearer(fresh, cached, output):
    usage = Usage(input_tokens=fresh + cached, cached_tokens=cached, output_tokens=output)
    cost = usage.cost_micros(PRICE)
    assert 0 <= cost <= usage.cost_micros(Price(input=PRICE.input, output=PRICE.output))
    assert cost <= Usage(input_tokens=fresh + cached + 1, cached_tokens=cached, output_tokens=output + 1).cost_micros(PRICE)


@given(tokens, tokens, st.decimals(0, 1000, places=4), st.decimals(0, 1000, places=4))
def test_cost_is_what_decimal_arithmetic_says(given_tokens, made, input_usd, output_usd):
    exact = given_tokens * input_usd + made * output_usd
    price = Price(input=float(input_usd), output=float(output_usd))
    cost = Usage(input_tokens=given_tokens, output_tokens=made).cost_micros(price)
    assert cost == int(Decimal(exact).quantize(Decimal(1), ROUND_HALF_UP))


@given(tokens, tokens, tokens)
def test_a_rate_that_is_given_and_equal_to_its_default_changes_nothing(fresh, written, output):
    usage = Usage(input_tokens=fresh + written, cache_write_tokens=written, output_tokens=output, reasoning_tokens=output // 2)
    assert usage.cost_micros(Price(input=3.0, output=15.0, written=3.0, reasoning=15.0)) == usage.cost_micros(PRICE)


@pytest.mark.parametrize(("price", "usage"), [(None, Usage(input_tokens=5)), (PRICE, None), (None, None)])
def test_an_attempt_without_usage_or_price_has_no_cost(price, usage):
    endpoint = Endpoint(
        id="a", name="m", tier=Tier.FAST, kind="openai", provider="p", base_url="http://h/v1", model="m", price=price
    )
    assert Attempt(endpoint=endpoint, took_s=1.0, usage=usage).cost_micros is None


def test_an_attempt_costs_what_its_usage_costs_at_its_endpoint():
    usage = Usage(input_tokens=1000, output_tokens=10)
    assert Attempt(endpoint=ENDPOINT, took_s=1.0, usage=usage).cost_micros == usage.cost_micros(PRICE) == 3150
