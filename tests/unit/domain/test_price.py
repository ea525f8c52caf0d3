"""Prices as the operator writes them, and the whole numbers that they become."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.price import LongContextPrice, Price, round_micros, to_micros, to_usd


@pytest.mark.parametrize(
    ("usd", "millionths"), [(0.15, 150_000), (0.1, 100_000), (0.000001, 1), (2.5, 2_500_000), (1e6, 10**12), (1e-7, 0)]
)
def test_a_price_becomes_the_whole_number_that_was_written(usd, millionths):
    assert Price(input=usd).rates.input == millionths


def test_prices_that_are_not_given_are_those_of_input_and_output():
    rates = Price(input=1.0, output=2.0).rates
    assert (rates.cached, rates.written, rates.audio_input, rates.image_input) == (rates.input,) * 4
    assert (rates.reasoning, rates.audio_output, rates.image_output) == (rates.output,) * 3
    assert rates.is_plain


@pytest.mark.parametrize(
    "more", [{"written": 3.0}, {"reasoning": 1.0}, {"audio_input": 3.0}, {"image_output": 9.0}, {"request": 0.1}]
)
def test_a_price_with_more_kinds_is_not_plain(more):
    assert not Price(input=1.0, output=2.0, **more).rates.is_plain


def test_what_a_step_for_long_prompts_does_not_say_is_the_models_price():
    price = Price(input=1.0, output=2.0, cached=0.1, long_context=(LongContextPrice(above_tokens=10, input=3.0),))
    long = price.rates_for(11)
    assert (long.input, long.cached, long.output) == (3_000_000, 100_000, 2_000_000)
    assert price.rates_for(10) == price.rates


@pytest.mark.parametrize(("millionths", "micros"), [(0, 0), (499_999, 0), (500_000, 1), (1_499_999, 1), (1_500_000, 2)])
def test_rounding_is_half_up(millionths, micros):
    assert round_micros(millionths) == micros


@given(st.integers(0, 10**13))
def test_dollars_and_back_are_the_same_micro_dollars(micros):
    assert to_micros(to_usd(micros)) == micros
