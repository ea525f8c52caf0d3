"""The list prices that ship with octoroute."""

import datetime as dt

import pytest

from octoroute.access.price_list import listed_price, price_list


def test_the_list_has_its_date_and_its_sources():
    assert dt.date.fromisoformat(price_list().date) >= dt.date(2026, 11, 1)
    assert all(source.startswith("https://") for vendor in price_list().vendors.values() for source in vendor.sources)
    assert all(vendor.sources and vendor.models for vendor in price_list().vendors.values())


@pytest.mark.parametrize(
    ("url", "model", "known"),
    [
        ("https://api.openai.com/v1", "gpt-4.1-mini", True),
        ("https://api.openai.com/v1", "gpt-4.1-mini-2025-04-14", True),
        ("https://api.anthropic.com/v1", "claude-sonnet-4-5-20250929", True),
        ("https://generativelanguage.googleapis.com/v1beta", "models/gemini-2.5-pro", True),
        ("https://api.openai.com/v1", "gpt-of-tomorrow", False),
        ("http://127.0.0.1:11434/v1", "gpt-4.1-mini", False),
        ("https://api.openai.com.evil.example/v1", "gpt-4.1-mini", False),
        ("http://[bad", "gpt-4.1-mini", False),
    ],
)
def test_a_price_is_known_for_a_vendors_model_at_the_vendors_address(url, model, known):
    assert (listed_price(url, model) is not None) is known


def test_every_price_costs_something_and_is_exact():
    for vendor in price_list().vendors.values():
        for name, price in vendor.models.items():
            assert price.input or price.output, name
            assert price.rates.input == round(price.input * 1e6), name
