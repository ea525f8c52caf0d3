"""An explanation names every endpoint of the interface, with the reason for its place; no endpoint is asked."""

from __future__ import annotations

import pytest

from octoroute.domain.endpoint import Capability, Tier
from octoroute.errors import UnknownModel
from octoroute.gateway.explain import explain, tell
from octoroute.routing.rules import Rule
from tests.support.spine import Always, Spine, make_endpoint
from tests.support.virtual import run


def explained(spine, **body):
    async def story():
        explanation = await explain(spine.gateway, Always(), spine.request(**body))
        assert spine.transport.asked == []
        return tell(explanation)

    return run(story())


def reasons(told):
    return {candidate["id"]: (candidate["chosen"], candidate["reason"]) for candidate in told["candidates"]}


def test_every_endpoint_has_a_reason_and_the_chosen_ones_come_first():
    endpoints = [
        make_endpoint("deep", tier=Tier.DEEP),
        make_endpoint("second", priority=1),
        make_endpoint("first", priority=2, weight=3.0),
        make_endpoint("blind", capabilities=frozenset({Capability.JSON})),
        make_endpoint("embedder", tier=Tier.EMBEDDING),
    ]
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    told = explained(Spine(endpoints), tools=[tool])
    assert (told["tier"], told["strategy"], told["endpoint"], "then" in told) == ("balanced", "rule", "first", False)
    assert [candidate["id"] for candidate in told["candidates"]][:2] == ["first", "second"]
    assert reasons(told) == {
        "first": (True, "choice 1: priority 2, weight 3"),
        "second": (True, "choice 2: priority 1, weight 1"),
        "blind": (False, "does not support tools"),
        "deep": (False, "its tier is deep"),
    }


def test_an_unavailable_endpoint_says_why():
    async def story():
        spine = Spine([make_endpoint("a")], {"a": "500"}, failure_threshold=1)
        await spine.ask()
        return tell(await explain(spine.gateway, Always(), spine.request()))

    told = run(story())
    assert (told["endpoint"], reasons(told)) == (None, {"a": (False, "circuit open")})


def test_a_rule_that_rejects_excludes_every_endpoint():
    told = explained(Spine([make_endpoint("a"), make_endpoint("b")], rules=[Rule(name="no", reject="not here")]))
    assert (told["rule"], told["rejected"], told["endpoint"]) == ("no", "not here", None)
    assert reasons(told) == dict.fromkeys("ab", (False, "the rule rejects it"))


def test_a_named_model_excludes_the_others():
    told = explained(Spine([make_endpoint("a"), make_endpoint("b")]), model="a")
    assert reasons(told)["b"] == (False, "another model was named")


def test_an_unknown_model_is_raised():
    with pytest.raises(UnknownModel):
        explained(Spine([make_endpoint("a")]), model="nope")
