"""What an endpoint can answer at all, and what it would cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.balancing.eligibility import (
    ASSUMED_OUTPUT_TOKENS,
    FALLBACK_TIERS,
    OVER_COST,
    cost_micros,
    fits_window,
    ineligible_reason,
    token_budget,
    window_tokens,
)
from octoroute.domain.endpoint import CHAT_TIERS, Capability, Tier
from octoroute.domain.price import Price
from octoroute.domain.request import Facts
from tests.support.parts import endpoint


@given(st.sets(st.sampled_from(Capability)), st.booleans(), st.booleans(), st.booleans())
def test_unfit_is_exactly_missing_a_capability(has, tools, images, json):
    one = endpoint(capabilities=frozenset(has))
    facts = Facts(tools=tools, images=images, json=json)
    missing = {
        name for name, wanted in ((Capability.TOOLS, tools), (Capability.VISION, images), (Capability.JSON, json)) if wanted
    } - has
    reason = ineligible_reason(one, facts)
    assert (reason is None) == (not missing)
    assert reason is None or all(name in reason for name in missing)


@given(st.integers(1, 10_000), st.integers(0, 10_000), st.none() | st.integers(1, 10_000))
def test_a_prompt_fits_when_it_and_its_answer_do(window, prompt, answer):
    facts = Facts(context_tokens=prompt, output_tokens=answer)
    assert fits_window(endpoint(context_window=window), facts) == (prompt + (answer or 0) <= window)
    assert fits_window(endpoint(context_window=None), facts)


def test_every_tier_falls_to_every_other_itself_first_bigger_before_smaller():
    size = {Tier.FAST: 0, Tier.BALANCED: 1, Tier.DEEP: 2}
    assert FALLBACK_TIERS[Tier.EMBEDDING] == (Tier.EMBEDDING,)
    for tier in CHAT_TIERS:
        order = FALLBACK_TIERS[tier]
        assert order[0] is tier
        assert set(order) == set(CHAT_TIERS)
        bigger = [other for other in order[1:] if size[other] > size[tier]]
        assert list(order[1 : 1 + len(bigger)]) == sorted(bigger, key=lambda other: size[other])
        assert [size[other] for other in order[1 + len(bigger) :]] == sorted(
            (size[other] for other in order[1 + len(bigger) :]), reverse=True
        )


@pytest.mark.parametrize(
    ("fields", "limit", "reason"),
    [
        ({"capabilities": frozenset()}, None, "does not support vision"),
        ({"context_window": 1000}, None, "has a context window of 1000 tokens, and the request needs 1200"),
        ({"price": Price(input=100.0, output=100.0)}, 0.01, "would cost about $0.12, more than the limit of $0.01"),
        ({"price": Price(input=100.0, output=100.0)}, 0.12, None),
        ({"price": None}, 0.01, None),
        ({}, None, None),
    ],
)
def test_the_reason_is_a_predicate_of_the_endpoint(fields, limit, reason):
    facts = Facts(images=True, context_tokens=1000, output_tokens=200)
    assert ineligible_reason(endpoint(**fields), facts, limit) == reason
    assert reason is None or reason.startswith(OVER_COST) == (limit is not None)


def test_sized_facts_replace_the_tokens_but_not_the_needs():
    small = endpoint(context_window=1000, capabilities=frozenset({Capability.TOOLS}))
    facts = Facts(context_tokens=5000, tools=True)
    assert ineligible_reason(small, facts) is not None
    assert ineligible_reason(small, facts, sized=Facts(context_tokens=10)) is None
    assert ineligible_reason(endpoint(capabilities=frozenset()), facts, sized=Facts()) == "does not support tools"


def test_an_answer_of_unknown_length_is_assumed_where_it_is_charged_and_not_where_it_must_fit():
    facts = Facts(context_tokens=100)
    assert window_tokens(facts) == 100
    assert token_budget(facts) == 100 + ASSUMED_OUTPUT_TOKENS
    assert cost_micros(endpoint(price=Price(output=2.0)), facts) == ASSUMED_OUTPUT_TOKENS * 2
    assert cost_micros(endpoint(), facts) is None
