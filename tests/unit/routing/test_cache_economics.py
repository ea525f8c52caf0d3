"""When a change of tier pays, and what is remembered of conversations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.domain.price import Price
from octoroute.routing.cache_economics import (
    ASSUMED_OUTPUT_TOKENS,
    NOMINAL_RATES,
    ConversationMemory,
    ConversationState,
    rates_of,
    switch_pays_off,
)
from tests.support.live_gateway import Clock
from tests.support.spine import make_endpoint

FAST, BALANCED, DEEP = CHAT_TIERS


def pays(current, wanted, *, prefix, fresh=100, difficulty=0.2, output=300):
    state = ConversationState(current, "learned", prefix, output, 0.0)
    return switch_pays_off(current, wanted, state, prefix + fresh, difficulty, NOMINAL_RATES)


def test_prices_of_ones_own_come_before_nominal_ones():
    priced = [
        make_endpoint(tier.value, tier=tier, price=Price(input=n, output=2 * n, cached=n / 10))
        for n, tier in enumerate(CHAT_TIERS, 1)
    ]
    assert rates_of(priced)[DEEP] == (3, 0.3, 6)
    assert rates_of([*priced[:2], make_endpoint("deep", tier=DEEP)]) is NOMINAL_RATES
    assert rates_of([make_endpoint("a", price=Price(input=2.0))])[BALANCED].cached == 2.0


def test_without_a_cache_there_is_nothing_to_keep():
    rates = rates_of(
        [
            make_endpoint(tier.value, tier=tier, price=Price(input=n, output=n))
            for n, tier in zip((1, 4, 9), CHAT_TIERS, strict=True)
        ]
    )
    assert switch_pays_off(DEEP, FAST, ConversationState(DEEP, "learned", 100_000, 300, 0.0), 100_100, 0.2, rates)


def test_a_long_prefix_is_worth_keeping_and_a_short_one_is_not():
    assert not pays(DEEP, FAST, prefix=100_000, difficulty=0.5)
    assert pays(DEEP, FAST, prefix=100, difficulty=0.5)


@given(st.sampled_from(CHAT_TIERS), st.sampled_from(CHAT_TIERS), st.integers(0, 200_000), st.floats(0, 1), st.floats(0, 1))
def test_difficulty_speaks_for_bigger_tiers_only(current, wanted, prefix, one, other):
    low, high = sorted((one, other))
    easy, hard = (pays(current, wanted, prefix=prefix, difficulty=difficulty) for difficulty in (low, high))
    if CHAT_TIERS.index(wanted) > CHAT_TIERS.index(current):
        assert hard >= easy
    else:
        assert easy >= hard


def test_an_answer_that_was_not_counted_has_an_assumed_length():
    for prefix in range(0, 20_000, 500):
        uncounted = pays(DEEP, FAST, prefix=prefix, output=0)
        assert uncounted == pays(DEEP, FAST, prefix=prefix, output=ASSUMED_OUTPUT_TOKENS)


def test_a_tier_without_rates_is_never_kept_for_its_cache():
    state = ConversationState(DEEP, "learned", 100_000, 300, 0.0)
    assert switch_pays_off(DEEP, FAST, state, 100_100, 0.5, {FAST: NOMINAL_RATES[FAST]})


def test_a_prompt_shorter_than_its_prefix_has_no_fresh_tokens():
    state = ConversationState(DEEP, "learned", 100_000, 300, 0.0)
    assert switch_pays_off(DEEP, FAST, state, 10, 0.2, NOMINAL_RATES), "the conversation was cut: little is cached"


@pytest.fixture
def memory():
    return ConversationMemory(Clock())


def put(memory, key, tier=FAST, *, limit=3, ttl_s=60.0):
    memory.put(key, tier, "learned", 100, 10, limit=limit, ttl_s=ttl_s)


def test_memory_keeps_the_latest_state_of_a_conversation(memory):
    put(memory, b"a", FAST)
    put(memory, b"a", Tier.DEEP)
    assert len(memory) == 1
    assert memory.get(b"a", 60.0).tier is Tier.DEEP
    assert memory.get(b"b", 60.0) is None


def test_the_conversation_answered_longest_ago_is_forgotten_first(memory):
    for key in (b"a", b"b", b"c", b"a", b"d"):
        put(memory, key)
    assert [key for key in (b"a", b"b", b"c", b"d") if memory.get(key, 60.0)] == [b"a", b"c", b"d"]
    put(memory, b"e", limit=1)
    assert len(memory) == 1


def test_old_conversations_are_neither_returned_nor_kept(memory):
    put(memory, b"a")
    memory._clock.pass_(60.0)
    assert memory.get(b"a", 60.0) is None
    assert memory.get(b"a", 61.0) is not None, "a reload may change the limit"
    put(memory, b"b")
    assert len(memory) == 1
