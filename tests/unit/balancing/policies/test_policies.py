"""The laws of the default order: a permutation of the available, sorted by priority, whose shares follow the weights."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from octoroute.balancing.eligibility import FALLBACK_TIERS, fits_window, ineligible_reason
from octoroute.balancing.policies import weighted_order
from octoroute.domain.endpoint import CHAT_TIERS, Capability, Tier
from octoroute.domain.request import Facts
from tests.support.parts import endpoint

pools = st.lists(st.tuples(st.integers(0, 3), st.floats(1e-6, 1e6), st.booleans()), max_size=12).map(
    lambda rows: (
        [endpoint(str(n), priority=priority, weight=weight) for n, (priority, weight, _) in enumerate(rows)],
        {str(n) for n, row in enumerate(rows) if row[2]},
    )
)


@given(pools, st.integers())
def test_an_order_is_a_permutation_of_the_available_sorted_by_priority(pool, seed):
    endpoints, up = pool
    order = weighted_order([one for one in endpoints if one.id in up], random.Random(seed).random)
    assert sorted(one.id for one in order) == sorted(up)
    priorities = [one.priority for one in order]
    assert priorities == sorted(priorities, reverse=True)


@given(pools, st.sampled_from([0.0, 1 - 2**-53]))
def test_the_ends_of_chance_do_not_break_it(pool, always):
    endpoints, up = pool
    assert len(weighted_order([one for one in endpoints if one.id in up], lambda: always)) == len(up)


def chi_square(seen: Counter, expected: dict[str, float], total: int) -> float:
    return sum((seen[name] - share * total) ** 2 / (share * total) for name, share in expected.items())


def test_first_places_follow_the_weights():
    """v1 §10.51. Chi-square at 3 degrees of freedom: 16.27 is exceeded once in a thousand times; the seed is fixed."""
    weights = {"a": 9.0, "b": 1.0, "c": 4.5, "d": 0.5}
    pool = [endpoint(name, weight=weight) for name, weight in weights.items()]
    chance, total = random.Random(11), 20_000
    seen = Counter(weighted_order(pool, chance.random)[0].id for _ in range(total))
    assert chi_square(seen, {name: weight / 15 for name, weight in weights.items()}, total) < 16.27


def test_second_places_follow_the_weights_of_those_left():
    """Sampling without replacement: P(a then b) = w_a/W · w_b/(W-w_a)."""
    weights = {"a": 5.0, "b": 3.0, "c": 2.0}
    pool = [endpoint(name, weight=weight) for name, weight in weights.items()]
    chance, total = random.Random(3), 20_000
    seen = Counter("".join(one.id for one in weighted_order(pool, chance.random))[:2] for _ in range(total))
    expected = {
        first + second: weights[first] / 10 * weights[second] / (10 - weights[first])
        for first in weights
        for second in weights
        if first != second
    }
    assert abs(sum(expected.values()) - 1) < 1e-9
    assert chi_square(seen, expected, total) < 20.52


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
