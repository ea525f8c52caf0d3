"""A traced planner plans as any planner does, and its inputs are enough to make each order again."""

from __future__ import annotations

import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute import dialects
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Facts
from octoroute.gateway.context_window import ContextPolicy
from octoroute.gateway.planner import Planner
from octoroute.gateway.settings import Settings
from octoroute.gateway.traced_planner import TracedPlanner
from octoroute.upstream.client import UpstreamClient
from octoroute.upstream.providers import PROVIDERS
from tests.support.spine import make_endpoint
from tests.unit.gateway.test_planner import POLICIES, ROUTER, asked_for, contexts, decisions, endpoints, facts, healthy

DEEP = Decision(tier=Tier.DEEP, by="rule", why="because")


def planner(kind, health):
    upstream = UpstreamClient(None, PROVIDERS, dialects.outbound(lambda: 0.0))
    return kind(health, upstream, dialects.inbound(lambda: 0.0), random.Random(3).random)


@settings(max_examples=200)
@given(endpoints, facts, decisions, contexts, st.sampled_from(POLICIES), st.sets(st.integers(0, 4)))
def test_it_plans_as_any_other(told, wanted, decision, context, policy, off):
    ones = tuple(make_endpoint(f"e{number}", **one) for number, one in enumerate(told))
    gateway = Settings(endpoints=ones, router=ROUTER, context=context, policy=policy)
    health = healthy()
    for number in off & set(range(len(ones))):
        health.set_enabled(ones[number], on=False)
    asked = asked_for(wanted)
    plain = planner(Planner, health).plan(decision, asked, gateway)
    traced = planner(TracedPlanner, health).plan(decision, asked, msgspec.structs.replace(gateway))
    assert plain.inputs is None
    assert traced.inputs is not None
    assert traced.inputs.order == traced.order
    assert sorted(one.id for one in traced.order) == sorted(one.id for one in plain.order)
    assert msgspec.structs.replace(traced, inputs=None, order=plain.order) == plain


def test_the_inputs_say_who_was_unavailable_and_the_seed():
    ones = tuple(make_endpoint(name, tier=Tier.DEEP) for name in "abc")
    health = healthy()
    health.set_enabled(ones[1], on=False)
    plan = planner(TracedPlanner, health).plan(DEEP, asked_for(Facts()), Settings(endpoints=ones, router=ROUTER))
    inputs = plan.inputs
    assert inputs.how == "each"
    assert inputs.states["b"].unavailable == "disabled by an operator"
    assert set(inputs.states) == {"b"}, "the others are available without reservation"
    assert len(inputs.seeds) == 1, "one for each order that the policy makes"


def test_what_no_wire_format_can_express_is_kept():
    one = make_endpoint("a", tier=Tier.DEEP, kind="anthropic")
    asked = msgspec.structs.replace(asked_for(Facts()), api="embeddings")
    plan = planner(TracedPlanner, healthy()).plan_each(DEEP, asked, Settings(endpoints=(one,), router=ROUTER))
    assert plan.inputs.states["a"].unsupported == plan.excluded["a"]


def test_a_request_that_was_truncated_for_an_endpoint_is_kept_as_numbers():
    one = make_endpoint("a", tier=Tier.DEEP, context_window=4000)
    body = (
        b'{"model":"auto","messages":[' + b",".join(b'{"role":"user","content":"%s"}' % (b"word " * 900) for _ in range(9)) + b"]}"
    )
    asked = dialects.inbound(lambda: 0.0)["openai"].read(body, request_id="r", headers={})
    gateway = Settings(endpoints=(one,), router=ROUTER, context=ContextPolicy(policy="truncate"))
    plan = planner(TracedPlanner, healthy()).plan(DEEP, asked, gateway)
    assert [endpoint.id for endpoint in plan.order] == ["a"]
    assert 0 < plan.inputs.cuts["a"][0] <= 4000
