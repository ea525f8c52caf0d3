"""A plan is shared by requests, so that what extends it works on a copy."""

from __future__ import annotations

from octoroute.balancing.policies import WeightedRandom
from octoroute.domain.conversation import Conversation
from octoroute.errors import BadRequest
from octoroute.gateway.plan import Plan
from tests.support.spine import make_endpoint

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
