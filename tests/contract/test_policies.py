"""Every policy and every order that is registered keeps the Protocol's promises. A new one is tested by being registered."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.balancing.policies import ORDERS, POLICIES, PolicyInputs
from octoroute.dialects import inbound
from octoroute.dialects.request.identity import opening_of, user_of
from octoroute.domain.endpoint import Tier, failure_domain
from octoroute.domain.outcome import Attempt, Ending, Outcome
from octoroute.domain.price import Price
from tests.support.live_gateway import Clock
from tests.support.spine import make_endpoint

KINDS = {**{f"policy {name}": builder for name, builder in POLICIES.items()}, **{f"order {name}": b for name, b in ORDERS.items()}}
OPENAI = inbound(lambda: 0.0)["openai"]
ASKED = OPENAI.read(
    json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hello"}]}).encode(), request_id="r", headers={}
)

endpoints = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([0.1, 1.0, 7.0]), st.sampled_from(["p", "q", "r"]), st.booleans()), max_size=7
).map(
    lambda rows: [
        make_endpoint(
            f"e{at}",
            priority=priority,
            weight=weight,
            provider=provider,
            base_url=f"http://{provider}/v1",
            position=at,
            price=Price(input=at + 1.0) if priced else None,
        )
        for at, (priority, weight, provider, priced) in enumerate(rows)
    ]
)


def build(kind):
    return KINDS[kind](PolicyInputs(Clock(), lambda endpoint: len(endpoint.id), user_of, opening_of))


def outcome_of(first, error=None, stream=False):
    attempts = (Attempt(endpoint=first, took_s=0.5, error=error),)
    return Outcome(
        request_id="r", dialect="openai", asked_for="auto", stream=stream, ending=Ending.ANSWERED, status=200, attempts=attempts
    )


@pytest.mark.parametrize("kind", KINDS)
@given(available=endpoints, rounds=st.integers(1, 4), data=st.data())
def test_an_order_is_a_permutation_by_priority_or_by_provider(kind, available, rounds, data):
    policy = build(kind)
    for _ in range(rounds):
        before = list(available)
        order = policy.order(available, ASKED, lambda: data.draw(st.floats(0, 1, exclude_max=True)))
        assert available == before, "what it was given is not its own"
        assert sorted(order, key=lambda e: e.id) == sorted(available, key=lambda e: e.id)
        if policy.by_provider:
            seen = [failure_domain(endpoint) for endpoint in order]
            assert len(set(seen)) == sum(one != two for one, two in zip([None, *seen], seen, strict=False)), "one after the other"
        else:
            assert [endpoint.priority for endpoint in order] == sorted((e.priority for e in available), reverse=True)
        if order and policy.learns:
            policy.on_selected(order[0])
            policy.on_outcome(outcome_of(order[0], data.draw(st.sampled_from([None, "upstream_timeout", "abandoned"]))))


@pytest.mark.parametrize("kind", KINDS)
def test_asking_changes_nothing(kind):
    """`octoroute route` and /v1/route ask without sending."""
    policy = build(kind)
    available = [make_endpoint(name, provider=name) for name in "abc"]
    orders = [policy.order(available, ASKED, lambda: 0.5) for _ in range(5)]
    assert all(order == orders[0] for order in orders)


@pytest.mark.parametrize("kind", KINDS)
@given(available=endpoints, chosen=st.lists(st.integers(0, 5), max_size=4), seed=st.integers(0, 99))
def test_the_same_ranks_and_the_same_numbers_give_the_same_order(kind, available, chosen, seed):
    """So that a decision can be repeated from its record, long after the policy has learned more."""
    policy = build(kind)
    for number in chosen:
        if policy.learns and number < len(available):
            policy.on_selected(available[number])
            policy.on_outcome(outcome_of(available[number]))
    ranks = policy.ranks(available, ASKED)
    assert len(ranks) in {0, len(available)}
    order = policy.order(available, ASKED, random.Random(seed).random)
    assert build(kind).order(available, ASKED, random.Random(seed).random, ranks) == order


@pytest.mark.parametrize("kind", KINDS)
def test_no_endpoint_and_one(kind):
    policy = build(kind)
    alone = make_endpoint("a")
    assert policy.order([], ASKED, lambda: 0.5) == []
    assert policy.order([alone], ASKED, lambda: 0.5) == [alone]


@pytest.mark.parametrize("kind", KINDS)
def test_outcomes_of_unknown_endpoints_do_no_harm(kind):
    policy = build(kind)
    stranger = make_endpoint("stranger", tier=Tier.DEEP)
    for stream in (False, True):
        policy.on_outcome(outcome_of(stranger, stream=stream))
        policy.on_outcome(
            Outcome(request_id="r", dialect="openai", asked_for="auto", stream=stream, ending=Ending.ABANDONED, status=499)
        )
