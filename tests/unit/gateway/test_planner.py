"""The short way to a plan leads where the long one does."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute import dialects
from octoroute.balancing.health import HealthRegistry
from octoroute.balancing.policies import WeightedRandom
from octoroute.balancing.policies.provider_order import ProviderPriority, ProviderRandom
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, Capability, Tier
from octoroute.domain.price import Price
from octoroute.domain.request import Facts, Request
from octoroute.gateway.context_window import ContextPolicy
from octoroute.gateway.planner import Planner
from octoroute.gateway.settings import Settings
from octoroute.routing.strategies import STRATEGIES, RouterSettings, never_ask
from octoroute.upstream.client import UpstreamClient
from octoroute.upstream.providers import PROVIDERS
from tests.support.spine import make_endpoint

ALL = frozenset(Capability)
endpoints = st.lists(
    st.builds(
        dict,
        tier=st.sampled_from(CHAT_TIERS),
        kind=st.sampled_from([*["openai"] * 9, "anthropic"]),
        capabilities=st.sampled_from([*[ALL] * 8, frozenset({Capability.TOOLS}), frozenset()]),
        context_window=st.sampled_from([None, None, 50, 500]),
        priority=st.integers(1, 2),
        price=st.sampled_from([None, None, Price(input=1000.0)]),
    ),
    max_size=5,
)
facts = st.builds(
    Facts,
    context_tokens=st.sampled_from([1, 49, 60, 600]),
    output_tokens=st.sampled_from([None, 1, 300]),
    tools=st.booleans(),
    images=st.booleans(),
    json=st.booleans(),
)
decisions = st.builds(
    Decision,
    tier=st.sampled_from(CHAT_TIERS),
    by=st.sampled_from(["rule", "client"]),
    why=st.just("because"),
    only=st.none() | st.sampled_from([frozenset({"e0"}), frozenset({"e1", "e2"})]),
    within=st.sampled_from([None, None, "openai", "anthropic"]),
)
contexts = st.sampled_from([ContextPolicy(), ContextPolicy(policy="off"), ContextPolicy(reserve_output="none")])
POLICIES = [WeightedRandom(), ProviderPriority(), ProviderRandom()]
ROUTER = STRATEGIES["rule"](RouterSettings(), never_ask)


def healthy() -> HealthRegistry:
    return HealthRegistry(failure_threshold=3, recovery_s=30.0, clock=lambda: 0.0, wall=lambda: 0.0)


def planning(health: HealthRegistry) -> Planner:
    """Each draws the same lots."""
    upstream = UpstreamClient(None, PROVIDERS, dialects.outbound(lambda: 0.0))
    return Planner(health, upstream, dialects.inbound(lambda: 0.0), random.Random(3).random)


def asked_for(told: Facts) -> Request:
    body = dialects.inbound(lambda: 0.0)["openai"].read(
        b'{"model":"auto","messages":[{"role":"user","content":"x"}]}', request_id="r", headers={}
    )
    return msgspec.structs.replace(body, facts=told)


@settings(max_examples=300)
@given(endpoints, facts, decisions, contexts, st.sampled_from(POLICIES), st.sets(st.integers(0, 4)), st.sampled_from([None, 0.1]))
def test_the_short_way_leads_where_the_long_one_does(told, wanted, decision, context, policy, off, most_usd):
    ones = tuple(make_endpoint(f"e{number}", **one) for number, one in enumerate(told))
    gateway = Settings(endpoints=ones, router=ROUTER, context=context, policy=policy, max_cost_usd=most_usd)
    health = healthy()
    for number in off & set(range(len(ones))):
        health.set_enabled(ones[number], on=False)
    asked = asked_for(wanted)
    assert planning(health).plan(decision, asked, gateway) == planning(health).plan_each(decision, asked, gateway)


@pytest.mark.parametrize(
    ("told", "policy", "fit"),
    [
        (Facts(context_tokens=50), "reject", True),
        (Facts(context_tokens=51), "reject", False),
        (Facts(context_tokens=50, output_tokens=1), "reject", False),
        (Facts(context_tokens=51), "off", True),
    ],
)
def test_what_is_too_large_for_one_of_a_tier_goes_to_the_others(told, policy, fit):
    plans = planning(healthy())
    small, large = make_endpoint("small", context_window=50), make_endpoint("large", context_window=500)
    gateway = Settings(endpoints=(small, large), router=ROUTER, context=ContextPolicy(policy=policy))
    decision = Decision(tier=Tier.BALANCED, by="rule", why="because")
    for _again in range(2):
        planned = plans.plan(decision, asked_for(told), gateway)
        assert {endpoint.id for endpoint in planned.order} == ({"small", "large"} if fit else {"large"})


def test_a_reload_is_planned_for_anew():
    plans = planning(healthy())
    old, new = make_endpoint("old", tier=Tier.FAST), make_endpoint("new", tier=Tier.FAST)
    gateway = Settings(endpoints=(old,), router=ROUTER)
    decision, asked = Decision(tier=Tier.FAST, by="rule", why="because"), asked_for(Facts())
    assert plans.plan(decision, asked, gateway).order == [old]
    reloaded = msgspec.structs.replace(gateway, endpoints=(new,))
    assert plans.plan(decision, asked, reloaded).order == [new]
    assert list(reloaded.serving("chat")) == [new]


@pytest.mark.parametrize("api", ["embeddings", "completions"])
def test_only_chat_goes_the_short_way(api):
    plans = planning(healthy())
    gateway = Settings(endpoints=(make_endpoint("e", kind="anthropic"),), router=ROUTER)
    request = Request(id="r", dialect="anthropic", model="auto", stream=False, body=None, facts=Facts(), api=api)
    planned = plans.plan(Decision(tier=Tier.BALANCED, by="rule", why="because"), request, gateway)
    assert (planned.order, list(planned.excluded)) == ([], ["e"])
