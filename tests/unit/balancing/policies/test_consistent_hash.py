from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from octoroute.balancing.policies.consistent_hash import score
from tests.support.spine import make_endpoint
from tests.unit.balancing.policies.shares import A, asked, build, close_to


def placed(policy, endpoints, count=2000, **more):
    return {at: policy.order(endpoints, asked(f"conversation {at}", **more), Random(at).random)[0].id for at in range(count)}


def test_b26_sticky_moves_only_those_of_the_endpoint_that_leaves():
    policy, four = build("sticky"), [make_endpoint(f"e{at}") for at in range(4)]
    before = placed(policy, four)
    after = placed(policy, [endpoint for endpoint in four if endpoint.id != "e2"])
    moved = {at for at in before if before[at] != after[at]}
    assert moved == {at for at in before if before[at] == "e2"}
    assert close_to(len(moved), 1 / 4, 2000)
    assert {after[at] for at in moved} == {"e0", "e1", "e3"}


def test_b26_sticky_shares_follow_weights():
    endpoints = [make_endpoint("a"), make_endpoint("b", weight=3.0)]
    assert close_to(Counter(placed(build("sticky"), endpoints).values())["b"], 0.75, 2000)


def test_b26_sticky_follows_a_conversation_through_its_turns():
    policy = build("sticky")
    endpoints = [make_endpoint(f"e{at}") for at in range(8)]
    later = [{"role": "assistant", "content": "well"}, {"role": "user", "content": "and then?"}]
    for at in range(50):
        one = policy.order(endpoints, asked(f"c{at}", system="be kind"), Random(1).random)
        two = policy.order(endpoints, asked(f"c{at}", system="be kind", later=later), Random(2).random)
        assert one == two
        cut = [{"type": "text", "text": f"c{at}", "cache_control": {"type": "ephemeral"}}]
        assert policy.order(endpoints, asked(cut, system="be kind"), Random(3).random) == one


def test_b12_the_same_user_sticks_whatever_is_said():
    policy = build("sticky", sticky_by="user")
    endpoints = [make_endpoint(f"e{at}") for at in range(8)]
    for at in range(50):
        assert len({policy.order(endpoints, asked(f"{n}", user=f"u{at}"), Random(n).random)[0].id for n in range(5)}) == 1
    assert len({policy.order(endpoints, asked("x", user=f"u{at}"), Random(1).random)[0].id for at in range(100)}) == 8


def test_b26_sticky_by_key_and_without_one_by_conversation():
    policy = build("sticky", sticky_by="key")
    endpoints = [make_endpoint(f"e{at}") for at in range(8)]
    assert len({policy.order(endpoints, asked(f"{n}", key="key-1"), Random(n).random)[0].id for n in range(20)}) == 1
    assert len({policy.order(endpoints, asked(f"{n}"), Random(n).random)[0].id for n in range(100)}) == 8


def test_b26_scores_are_the_same_in_every_process():
    assert score(b"name", A) == pytest.approx(0.85615, abs=5e-5)


def test_a_retry_goes_where_the_conversation_would_go_without_its_first_endpoint():
    policy, four = build("sticky"), [make_endpoint(f"e{at}") for at in range(4)]
    for at in range(50):
        order = policy.order(four, asked(f"c{at}"), Random(1).random)
        assert policy.order(order[1:], asked(f"c{at}"), Random(2).random) == order[1:]
