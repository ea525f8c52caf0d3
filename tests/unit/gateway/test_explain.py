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
        "deep": (True, "choice 3: priority 1, weight 1; its tier, deep, is asked if those before it fail"),
    }


EVERY_TIER = [
    *(make_endpoint(f"b{number}", priority=9 - number) for number in range(4)),
    *(make_endpoint(f"f{number}", tier=Tier.FAST, priority=9 - number) for number in range(3)),
    make_endpoint("d0", tier=Tier.DEEP),
]


@pytest.mark.parametrize(
    ("limit", "order"),
    [
        (0, ["b0", "b1", "b2", "b3", "d0", "f0", "f1", "f2"]),
        (1, ["b0", "b1", "b2", "b3"]),
        (2, ["b0", "b1", "d0", "f0", "f1", "b2", "b3"]),
        (3, ["b0", "b1", "b2", "d0", "f0", "f1", "f2", "b3"]),
        (9, ["b0", "b1", "b2", "b3", "d0", "f0", "f1", "f2"]),
    ],
)
def test_every_tier_is_listed_in_the_order_in_which_a_request_would_try_them(limit, order):
    told = explained(Spine(EVERY_TIER, max_attempts=limit))
    chosen = [candidate["id"] for candidate in told["candidates"] if candidate["chosen"]]
    assert chosen == order
    assert {candidate["id"] for candidate in told["candidates"]} == {endpoint.id for endpoint in EVERY_TIER}

    async def story():
        spine = Spine(EVERY_TIER, lambda *_: "500", max_attempts=limit, failure_threshold=99)
        return (await spine.ask()).asked

    tried = run(story())
    assert tried[: len(order)] == order[: len(tried)]


def test_a_tier_that_the_client_named_is_listed_alone():
    told = explained(Spine(EVERY_TIER, max_attempts=3), model="balanced")
    assert {candidate["id"] for candidate in told["candidates"] if candidate["chosen"]} == {"b0", "b1", "b2", "b3"}
    assert reasons(told)["d0"] == (False, "its tier is deep")


def test_an_endpoint_whose_health_check_fails_is_asked_last():
    async def story():
        spine = Spine([make_endpoint("a", priority=2), make_endpoint("b")])
        for _ in range(3):
            spine.health.probe_failed(spine.gateway.settings.endpoints[0], "no connection", 0.0, answered=False)
        return tell(await explain(spine.gateway, Always(), spine.request()))

    told = run(story())
    assert reasons(told) == {
        "b": (True, "choice 1: priority 1, weight 1"),
        "a": (True, "choice 2: priority 2, weight 1; its health check fails: asked last"),
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
