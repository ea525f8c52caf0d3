from __future__ import annotations

from random import Random

from octoroute.balancing.policies.round_robin import RoundRobinState
from tests.unit.balancing.policies.shares import A, B, C, asked, build, firsts


def test_b26_round_robin_is_a_rotation_and_not_chance():
    policy, random = build("round_robin"), Random(1).random
    seen = []
    for _ in range(6):
        order = policy.order([A, B, C], asked(), random)
        policy.on_selected(order[0])
        seen.append("".join(endpoint.id for endpoint in order))
    assert seen == ["abc", "bca", "cab"] * 2


def test_x5_round_robin_with_one_out_is_still_even():
    policy = build("round_robin")
    assert firsts(policy, [A, C], 6) == {"a": 3, "c": 3}
    assert firsts(policy, [A, B, C], 3) == {"a": 1, "b": 1, "c": 1}


def test_new_names_come_before_all_others():
    state = RoundRobinState()
    for name in ("a", "b", "a"):
        state.on_selected(name)
    assert sorted(["a", "b", "new"], key=state.last_turn) == ["new", "b", "a"]


def test_an_endpoint_that_returns_gets_one_turn_and_no_arrears():
    policy = build("round_robin")
    firsts(policy, [A, B], 10)
    assert firsts(policy, [A, B, C], 6) == {"a": 2, "b": 2, "c": 2}
