"""A plan is shared by requests, so that what extends it works on a copy; an empty one says why it is empty."""

from __future__ import annotations

import pytest

from octoroute.balancing.policies import WeightedRandom
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Capability, Tier
from octoroute.domain.price import Price
from octoroute.domain.request import Facts
from octoroute.errors import BadRequest, ContextTooLong, TooExpensive
from octoroute.gateway.plan import Plan, no_endpoint_error, unavailable_error
from tests.support.spine import make_endpoint
from tests.unit.gateway.test_planner import healthy

ONE, OTHER = make_endpoint("one"), make_endpoint("other")
PLAN = Plan(order=[ONE], eligible=[ONE], candidates=[ONE, OTHER], excluded={"other": "because"}, policy=WeightedRandom())


def test_what_extends_a_plan_does_not_change_it():
    extended = PLAN.extensible()
    assert (extended.order, extended.eligible, extended.candidates) == ([], [ONE], [ONE, OTHER])
    for endpoints in (extended.order, extended.eligible, extended.candidates, extended.reserve):
        endpoints.append(OTHER)
    extended.excluded["one"] = "because"
    assert (PLAN.order, PLAN.eligible, PLAN.candidates, PLAN.reserve) == ([ONE], [ONE], [ONE, OTHER], [])
    assert PLAN.excluded == {"other": "because"}


def test_a_request_that_cannot_be_translated_has_no_conversation_to_share():
    assert PLAN.conversation is None
    assert Plan(policy=WeightedRandom(), decoded=BadRequest("no")).conversation is None
    conversation = Conversation(turns=())
    assert Plan(policy=WeightedRandom(), decoded=conversation).conversation is conversation


def plan(*candidates, eligible=(), **excluded):
    return Plan(eligible=list(eligible), candidates=list(candidates), excluded=excluded, policy=WeightedRandom())


@pytest.mark.parametrize(
    ("made", "facts", "kind", "words"),
    [
        (plan(), Facts(), BadRequest, "no chat model is configured"),
        (plan(make_endpoint("a", capabilities=frozenset()), a="x"), Facts(images=True), BadRequest, "has: vision"),
        (plan(make_endpoint("a", context_window=10), a="x"), Facts(context_tokens=50), ContextTooLong, "50"),
        (
            plan(make_endpoint("a", price=Price(input=1.0)), a="would cost about $9, more than $1"),
            Facts(),
            TooExpensive,
            "send less",
        ),
        (plan(make_endpoint("a"), a="cannot express documents"), Facts(), BadRequest, "cannot express documents"),
    ],
)
def test_an_empty_plan_says_what_the_closest_endpoint_lacks(made, facts, kind, words):
    error = no_endpoint_error(healthy(), made, 100, facts)
    assert type(error) is kind
    assert words in error.message


def test_endpoints_that_are_unavailable_are_an_error_of_the_gateway():
    one = make_endpoint("a", tier=Tier.DEEP, capabilities=frozenset(Capability))
    health = healthy()
    health.set_enabled(one, on=False)
    error = unavailable_error(health, [one], 100)
    assert error.status == 503
    assert "disabled by an operator" in error.message
