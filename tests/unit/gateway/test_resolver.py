"""What the client's `model` means: a tier, endpoints, or an error that names the choices."""

from __future__ import annotations

import msgspec
import pytest

from octoroute.domain.endpoint import Tier
from octoroute.errors import Forbidden, OctorouteError, UnknownModel
from octoroute.routing.rules import Rule
from tests.support.spine import Spine, make_endpoint
from tests.support.virtual import run

ENDPOINTS = [
    make_endpoint("small", tier=Tier.FAST, provider="p"),
    make_endpoint("mid-1", name="mid", model="upstream-mid", provider="p"),
    make_endpoint("mid-2", name="mid", kind="anthropic", provider="q"),
    make_endpoint("big", tier=Tier.DEEP, provider="q"),
]


def resolved(model, *, endpoints=ENDPOINTS, headers=None, dialect="openai", **settings):
    async def story():
        spine = Spine(endpoints, **settings)
        body = {"max_tokens": 5} if dialect == "anthropic" else {}
        request = spine.request(model, dialect=dialect, headers=headers, **body)
        return await spine.gateway.resolver.resolve(request, spine.gateway.settings)

    return run(story())


@pytest.mark.parametrize(
    ("model", "tier", "only", "within", "by"),
    [
        ("auto", "balanced", None, None, "rule"),
        ("claude-octoroute-auto", "balanced", None, None, "rule"),
        ("FAST", "fast", None, None, "client"),
        ("claude-octoroute-deep", "deep", None, None, "client"),
        ("mid", "balanced", {"mid-1", "mid-2"}, None, "client"),
        ("mid-2", "balanced", {"mid-2"}, None, "client"),
        ("mid-anthropic", "balanced", {"mid-2"}, None, "client"),
        ("mid-openai", "balanced", {"mid-1"}, None, "client"),
        ("q/auto", "balanced", None, "q", "rule"),
        ("q/deep", "deep", None, "q", "client"),
        ("p/upstream-mid", "balanced", {"mid-1"}, "p", "client"),
    ],
)
def test_what_a_model_name_means(model, tier, only, within, by):
    decision = resolved(model)
    assert (decision.tier, decision.only, decision.within, decision.by) == (tier, only and frozenset(only), within, by)


@pytest.mark.parametrize(
    ("model", "tier"), [("claude-opus-4", "deep"), ("claude-3-5-haiku", "fast"), ("Claude-Sonnet", "balanced")]
)
def test_a_class_of_anthropic_models_is_a_tier_for_anthropics_clients_only(model, tier):
    assert resolved(model, dialect="anthropic").tier == tier
    with pytest.raises(UnknownModel):
        resolved(model)


def test_a_configured_name_comes_before_a_class():
    named = make_endpoint("own", name="my-opus", tier=Tier.FAST)
    assert resolved("my-opus", endpoints=[named], dialect="anthropic").only == {"own"}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("nope", ["'nope'", "auto, fast, balanced, deep", "small, mid, big"]),
        ("nope/mid", ["'nope/mid'"]),
        ("p/big", ["the provider p has no model 'big'", "small, mid"]),
    ],
)
def test_an_unknown_model_is_told_the_choices(model, words):
    with pytest.raises(UnknownModel) as caught:
        resolved(model)
    assert [word for word in words if word not in caught.value.message] == []


def test_clients_choose_the_provider_only_where_they_may():
    headers = {"x-octoroute-provider": "q"}
    assert resolved("auto", headers=headers).within == "q"
    with pytest.raises(Forbidden, match="x-octoroute-provider"):
        resolved("auto", headers=headers, allow_provider_prefix=False)
    with pytest.raises(UnknownModel):
        resolved("q/auto", allow_provider_prefix=False)
    with pytest.raises(OctorouteError, match="there is no provider 'nope'; there are: p, q"):
        resolved("auto", headers={"x-octoroute-provider": "nope"})


def test_rules_come_first_and_one_whose_target_is_unavailable_is_passed_over():
    down = Rule(name="down", endpoint="nowhere")
    up = Rule(name="up", tier=Tier.DEEP)
    decision = resolved("auto", rules=[down, up])
    assert (decision.rule, decision.tier, decision.fixed) == ("up", "deep", True)
    assert resolved("fast", rules=[up]).rule is None
    assert resolved("fast", rules=[Rule(name="all", tier=Tier.DEEP, override=True)]).rule == "all"


def test_the_names_that_clients_can_use():
    spine = Spine(ENDPOINTS)
    assert spine.gateway.resolver.names(spine.gateway.settings) == ["small", "mid", "big", "mid-openai", "mid-anthropic"]


def named(**settings):
    """A spine, and the decisions of three requests for `mid`, the second and third with what was remembered."""

    async def story():
        spine = Spine(ENDPOINTS, **settings)
        resolver, request, told = spine.gateway.resolver, spine.request("mid"), []
        for _ in range(3):
            remembered = resolver.remembered(request, spine.gateway.settings)
            told.append((remembered is not None, remembered or await resolver.resolve(request, spine.gateway.settings)))
        return spine, told

    return run(story())


def test_a_configured_name_is_resolved_once():
    spine, told = named()
    assert [known for known, _ in told] == [False, True, True]
    assert told[0][1] is told[1][1] is told[2][1]
    settings, resolver = spine.gateway.settings, spine.gateway.resolver
    for other in ("mid-openai", "fast", "auto", "gone"):
        assert resolver.remembered(spine.request(other), settings) is None
    assert resolver.remembered(spine.request("mid", headers={"x-octoroute-provider": "q"}), settings) is None
    reloaded = msgspec.structs.replace(settings, endpoints=())
    assert resolver.remembered(spine.request("mid"), reloaded) is None


def test_no_name_is_remembered_where_there_are_rules():
    _, told = named(rules=(Rule(name="r", model="mid", override=True, tier=Tier.DEEP),))
    assert [known for known, _ in told] == [False, False, False]
    assert {decision.tier for _, decision in told} == {Tier.DEEP}
