"""`selection.order`: provider by provider, each with its endpoints by position."""

from __future__ import annotations

from collections import Counter
from random import Random

from octoroute.balancing.policies import ORDERS, PolicyInputs
from octoroute.balancing.policies.provider_order import group_by_provider
from octoroute.dialects.request.identity import opening_of, user_of
from octoroute.domain.endpoint import Secret, Tier
from tests.support.live_gateway import Clock
from tests.support.spine import make_endpoint, providers
from tests.unit.balancing.policies.shares import asked, close_to

P = providers({"p1": ["a", "b"], "p2": ["c", "d"], "p3": ["e"]})


def build(name):
    return ORDERS[name](PolicyInputs(Clock(), lambda _: 0, user_of, opening_of))


def ids(endpoints):
    return "".join(endpoint.id for endpoint in endpoints)


def order(policy, endpoints, seed=1):
    return ids(policy.order(endpoints, asked(), Random(seed).random))


def test_groups_keep_the_providers_order_and_sort_each_by_position():
    assert [ids(group) for group in group_by_provider([P[4], P[1], P[3], P[0], P[2]])] == ["e", "ab", "cd"]


def test_another_key_at_the_same_provider_is_another_failure_domain():
    one, two = (make_endpoint(name, api_key=Secret(name)) for name in "ab")
    assert [ids(group) for group in group_by_provider([one, two])] == ["a", "b"]


def test_priority_is_that_of_the_providers_best_endpoint():
    raised = [*P[:4], make_endpoint("z", provider="p3", base_url="http://p3.test/v1", priority=500), P[4]]
    assert order(build("priority"), raised)[0] in "ze"
    assert order(build("priority"), list(reversed(P))) == "abcde"


def test_equal_priorities_keep_the_order_of_the_file_until_one_has_a_weight():
    plain = [make_endpoint(name, provider=name) for name in "abc"]
    assert {order(build("priority"), plain, seed) for seed in range(20)} == {"abc"}
    weighted = [*plain[:2], make_endpoint("c", provider="c", weight=4.0)]
    firsts = Counter(order(build("priority"), weighted, seed)[0] for seed in range(3000))
    assert close_to(firsts["c"], 4 / 6, 3000)


def test_round_robin_rotates_providers_and_counts_each_tier_by_itself():
    policy = build("round_robin")
    deep = [make_endpoint("x", provider="p1", base_url="http://p1.test/v1", tier=Tier.DEEP)]
    seen = []
    for _ in range(4):
        ordered = policy.order(P, asked(), Random(1).random)
        policy.on_selected(ordered[0])
        policy.on_selected(deep[0])
        seen.append(ids(ordered))
    assert seen == ["abcde", "cdeab", "eabcd", "abcde"]


def test_random_shares_first_places_evenly_between_providers_whatever_their_size():
    firsts = Counter(order(build("random"), P, seed)[0] for seed in range(3000))
    assert set(firsts) == {"a", "c", "e"}
    assert all(close_to(count, 1 / 3, 3000) for count in firsts.values())
