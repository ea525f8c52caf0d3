"""The operator's rules (B6, B12), a provider by name (B19), and the cost limit (B10)."""

import asyncio
from collections import Counter

import msgspec
import pytest

from octoroute.domain.endpoint import Capability, CircuitState, Tier
from octoroute.domain.price import Price
from octoroute.domain.principal import Principal
from octoroute.gateway.explain import explain, tell
from octoroute.routing.rules import REQUEST_TYPES, Rule
from tests.support.spine import Spine, make_endpoint
from tests.support.virtual import run

FAST = make_endpoint("small", tier=Tier.FAST, provider="local")
MIDDLE = make_endpoint("middle", provider="azure", name="gpt-4o", model="deployment-4o")
OTHER = make_endpoint("other", provider="openai", name="gpt-4o-openai", model="gpt-4o")
DEEP = make_endpoint("big", tier=Tier.DEEP, provider="openai")
ALL = [FAST, MIDDLE, OTHER, DEEP]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}


def asked(rule, request=None, *, key=None, behave=None, endpoints=ALL, **body):
    """(endpoints asked, what decided, by which rule)"""

    async def story():
        spine = Spine(endpoints, behave, rules=[rule] if isinstance(rule, Rule) else rule)
        told = await spine.ask(spine.request(**{**(request or {}), **body}), key=key)
        decision = told.outcome.decision
        return told.asked, decision.by, decision.rule

    return run(story())


YES, NO = (["big"], "rule", "r"), (["middle"], "rule", None)


@pytest.mark.parametrize(
    ("condition", "request_", "key", "applies"),
    [
        ({"user": "team-*"}, {"user": "team-a"}, None, True),
        ({"user": "team-*"}, {"user": "other"}, None, False),
        ({"user": "*"}, {"user": None}, None, False),
        ({"user": "s-1"}, {"user": None, "safety_identifier": "s-1"}, None, True),
        ({"user": "m-1"}, {"user": None, "metadata": {"user_id": "m-1"}}, None, True),
        ({"key": "key-2"}, {}, "key-2", True),
        ({"key": "key-2"}, {}, "key-1", False),
        ({"key": "key-2"}, {}, None, False),
        ({"min_tokens": 100}, {"messages": [{"role": "user", "content": "x" * 400}]}, None, True),
        ({"min_tokens": 100}, {"messages": [{"role": "user", "content": "x" * 396}]}, None, False),
        ({"max_tokens": 100}, {"messages": [{"role": "user", "content": "x" * 400}]}, None, True),
        ({"max_tokens": 100}, {"messages": [{"role": "user", "content": "x" * 404}]}, None, False),
        ({"max_output": 50}, {"max_tokens": 50}, None, True),
        ({"max_output": 50}, {"max_tokens": 51}, None, False),
        ({"max_output": 50}, {}, None, False),
        ({"stream": True}, {"stream": True}, None, True),
        ({"stream": True}, {"stream": False}, None, False),
        ({"stream": False}, {"stream": False}, None, True),
        ({"headers": {"X-Team": "sea*"}}, {"headers": {"x-team": "search"}}, None, True),
        ({"headers": {"X-Team": "sea*"}}, {"headers": {"x-team": "ads"}}, None, False),
        ({"headers": {"X-Team": "*"}}, {}, None, False),
        ({"dialect": "openai"}, {}, None, True),
        ({"dialect": "anthropic"}, {}, None, False),
        ({"dialect": "anthropic"}, {"dialect": "anthropic", "max_tokens": 9, "user": None}, None, True),
        ({"request_type": "tools"}, {"tools": [TOOL]}, None, True),
        ({"request_type": "tools"}, {}, None, False),
        ({"request_type": "vision"}, {"messages": [IMAGE]}, None, True),
        ({"request_type": "vision"}, {}, None, False),
        ({"request_type": "json"}, {"response_format": {"type": "json_object"}}, None, True),
        ({"request_type": "json"}, {}, None, False),
        ({"request_type": "thinking"}, {"reasoning_effort": "high"}, None, True),
        ({"request_type": "thinking"}, {"reasoning_effort": "none"}, None, False),
        ({"request_type": "thinking"}, {"thinking": {"type": "enabled", "budget_tokens": 9}}, None, True),
        ({"request_type": "thinking"}, {"thinking": {"type": "disabled"}}, None, False),
        ({"request_type": "thinking"}, {"thinking": "nonsense", "reasoning": 7}, None, False),
        ({"request_type": "long-context"}, {"messages": [{"role": "user", "content": "x" * 240_000}]}, None, True),
        ({"request_type": "long-context"}, {"messages": [{"role": "user", "content": "x" * 239_000}]}, None, False),
        ({"request_type": "chat"}, {}, None, True),
        ({"request_type": "chat"}, {"tools": [TOOL]}, None, False),
        ({"stream": True, "user": "a"}, {"stream": True, "user": "b"}, None, False),
    ],
)  # fmt: skip
def test_b6_b12_x14_each_condition_alone(condition, request_, key, applies):
    assert asked(Rule(name="r", tier=Tier.DEEP, **condition), request_, key=key) == (YES if applies else NO)


def test_b12_every_request_type_has_a_case():
    assert set(REQUEST_TYPES) == {"chat", "tools", "vision", "long-context", "thinking", "json"}


def test_b6_the_first_that_applies_wins():
    rules = [Rule(name="one", tier=Tier.FAST, stream=True), Rule(name="two", tier=Tier.DEEP), Rule(name="three", tier=Tier.FAST)]
    assert asked(rules) == (["big"], "rule", "two")
    assert asked(rules, stream=True) == (["small"], "rule", "one")


def test_b6_x15_model_patterns_in_any_case_for_names_that_are_not_configured():
    rule = Rule(name="r", model="GPT-5*", provider="openai")
    assert asked(rule, model="gpt-5-mini")[0][0] in {"other", "big"}
    assert asked(Rule(name="r", model="claude-*", endpoint="big"), model="Claude-Next") == (["big"], "rule", "r")


def test_b6_a_name_the_client_may_use_is_not_overruled_unless_the_rule_says_so():
    rule = Rule(name="r", tier=Tier.DEEP)
    assert asked(rule, model="gpt-4o") == (["middle"], "client", None)
    assert asked(rule, model="fast") == (["small"], "client", None)
    assert asked(Rule(name="r", tier=Tier.DEEP, override=True), model="gpt-4o") == YES
    assert asked(Rule(name="r", tier=Tier.DEEP, override=True), model="fast") == YES


def test_b6_without_a_model_condition_an_unknown_name_stays_unknown():
    async def story():
        spine = Spine(ALL, rules=[Rule(name="r", tier=Tier.DEEP)])
        assert (await spine.ask(model="who-is-this")).status == 404

    run(story())


@pytest.mark.parametrize(
    ("action", "first"),
    [
        ({"tier": Tier.FAST}, "small"),
        ({"endpoint": "gpt-4o"}, "middle"),
        ({"endpoint": "big"}, "big"),
        ({"provider": "local"}, "small"),
    ],
)
def test_b6_each_action(action, first):
    assert asked(Rule(name="r", **action)) == ([first], "rule", "r")


def test_b6_a_provider_gets_the_request_in_the_tier_it_belongs_to():
    rule = Rule(name="r", provider="openai", override=True)
    assert asked(rule)[0] == ["other"], "auto went to balanced"
    assert asked(rule, model="deep")[0] == ["big"]
    assert asked(rule, model="fast")[0] == ["other"], "it has no fast one: the next bigger, of this provider"
    assert asked(rule, model="gpt-4o")[0] == ["other"], "its own gpt-4o, not azure's"


def test_b6_reject_says_why_and_sends_nothing():
    async def story():
        spine = Spine(ALL, rules=[Rule(name="no pictures", request_type="vision", reject="no pictures, please")])
        told = await spine.ask(messages=[IMAGE])
        assert (told.status, told.code, told.error.message) == (403, "permission_denied", "no pictures, please")
        assert spine.transport.asked == []
        assert (told.outcome.decision.rule, told.outcome.ending) == ("no pictures", "refused")

    run(story())


def test_b6_an_unavailable_target_falls_through_to_the_next_rule_and_then_to_the_router():
    async def story():
        spine = Spine(ALL, {"big": "401"}, rules=[Rule(name="one", tier=Tier.DEEP), Rule(name="two", stream=True, tier=Tier.FAST)])
        await spine.ask()
        assert spine.health.circuit_state(DEEP) is CircuitState.OPEN
        streamed, whole = await spine.ask(stream=True), await spine.ask()
        assert (streamed.asked, streamed.outcome.decision.rule) == (["small"], "two")
        assert (whole.asked[0] in {"middle", "other"}, whole.outcome.decision.rule) == (True, None)

    run(story())


def test_b6_what_may_not_fall_through_fails_where_it_is():
    async def story():
        spine = Spine(ALL, {"big": "401"}, rules=[Rule(name="one", tier=Tier.DEEP, fall_through=False)])
        await spine.ask()
        told = await spine.ask()
        assert (told.status, told.asked, told.error.retry_after_s) == (503, [], 1.0)

    run(story())


def test_b6_a_target_that_could_never_answer_falls_through_too():
    blind = make_endpoint("blind", tier=Tier.DEEP, capabilities=frozenset({Capability.TOOLS}))
    assert asked(Rule(name="r", tier=Tier.DEEP), {"messages": [IMAGE]}, endpoints=[FAST, MIDDLE, blind]) == (
        ["middle"],
        "rule",
        None,
    )


def test_b26_a_rule_may_choose_the_policy():
    async def story():
        endpoints = [make_endpoint(f"e{at}") for at in range(4)]
        spine = Spine(endpoints, rules=[Rule(name="sticky talks", policy="sticky", stream=True)])
        stuck = Counter([(await spine.ask(stream=True)).asked[0] for _ in range(40)])
        free = Counter([(await spine.ask()).asked[0] for _ in range(40)])
        assert (len(stuck), len(free)) == (1, 4)
        told = await spine.ask(stream=True)
        assert (told.outcome.decision.rule, told.outcome.decision.by) == ("sticky talks", "rule")

    run(story())


def test_b6_our_own_questions_to_the_router_model_are_no_clients():
    async def story():
        from octoroute.gateway.internal_calls import InternalCalls, RoutingModel

        spine = Spine(ALL, rules=[Rule(name="r", override=True, reject="no")])
        asker = RoutingModel(InternalCalls(lambda: spine.gateway, lambda: "q"), Tier.BALANCED, 5.0)
        assert "hello from" in await asker("system", "question", {"type": "object"})

    run(story())


def test_b6_rules_show_in_the_explanation():
    async def story():
        spine = Spine(ALL, rules=[Rule(name="one", tier=Tier.DEEP), Rule(name="two", tier=Tier.FAST)])
        told = tell(await explain(spine.gateway, spine.router, spine.request()))
        assert (told["tier"], told["strategy"], told["rule"], told["endpoint"]) == ("deep", "rule", "one", "big")
        assert told["reason"] == "the rule 'one'"
        spine = Spine(ALL, rules=[Rule(name="no", reject="not you", key="key-1")])
        told = tell(
            await explain(spine.gateway, spine.router, msgspec.structs.replace(spine.request(), principal=Principal(name="key-1")))
        )
        assert (told["rejected"], told["endpoint"], any(row["chosen"] for row in told["candidates"])) == ("not you", None, False)
        assert spine.transport.asked == []

    run(story())


def test_a9_explaining_takes_no_turn():
    async def story():
        spine = Spine([make_endpoint("a", provider="p"), make_endpoint("b", provider="q")], order="round_robin")
        for _ in range(3):
            await explain(spine.gateway, spine.router, spine.request())
        assert [(await spine.ask()).asked for _ in range(2)] == [["a"], ["b"]]

    run(story())


# a provider by name


@pytest.mark.parametrize(
    ("model", "headers", "goes_to"),
    [
        ("azure/gpt-4o", {}, "middle"),
        ("openai/gpt-4o", {}, "other"),
        ("gpt-4o", {"x-octoroute-provider": "openai"}, "other"),
        ("openai/auto", {}, "other"),
        ("openai/deep", {}, "big"),
        ("local/auto", {}, "small"),
        ("auto", {"x-octoroute-provider": "local"}, "small"),
        ("azure/deployment-4o", {}, "middle"),
    ],
)
def test_b19_goes_to_that_provider_only(model, headers, goes_to):
    async def story():
        spine = Spine(ALL, lambda *_: "500")
        told = await spine.ask(model=model, headers=headers)
        assert told.asked[0] == goes_to
        provider = next(endpoint.provider for endpoint in ALL if endpoint.id == goes_to)
        assert {attempt.endpoint.provider for attempt in told.outcome.attempts} == {provider}
        assert spine.transport.asked[0][1] == next(endpoint.model for endpoint in ALL if endpoint.id == goes_to), (
            "no prefix upstream"
        )

    run(story())


def test_b19_the_prefix_is_kept_in_an_answer_that_is_translated():
    async def story():
        spine = Spine(ALL)
        request = spine.request(model="openai/gpt-4o", dialect="anthropic", max_tokens=9, user=None)
        told = await spine.ask(request)
        assert told.asked == ["other"]
        assert b'"model":"openai/gpt-4o"' in told.body.replace(b" ", b"")

    run(story())


def test_b19_a_configured_name_with_a_slash_means_itself():
    named = make_endpoint("x", name="azure/gpt-4o", provider="local")
    assert asked([], model="azure/gpt-4o", endpoints=[*ALL, named])[0] == ["x"]


@pytest.mark.parametrize("model", ["azure/other", "nowhere/gpt-4o", "azure/"])
def test_b19_what_is_not_there_is_not_there(model):
    async def story():
        spine = Spine(ALL)
        told = await spine.ask(model=model)
        assert (told.status, told.code) == (404, "model_not_found")
        assert model.split("/")[0] in told.error.message

    run(story())


def test_b19_can_be_switched_off():
    async def story():
        spine = Spine(ALL, allow_provider_prefix=False)
        assert (await spine.ask(model="azure/gpt-4o")).status == 404
        assert (await spine.ask(headers={"x-octoroute-provider": "azure"})).status == 403
        assert (await spine.ask(model="gpt-4o")).asked == ["middle"]

    run(story())


# the cost limit

DEAR = make_endpoint("dear", price=Price(input=100.0, output=100.0), priority=9)
CHEAP = make_endpoint("cheap", price=Price(input=1.0, output=1.0))


def test_b10_an_endpoint_over_the_cost_limit_is_excluded():
    async def story():
        spine = Spine([DEAR, CHEAP], max_cost_usd=0.01)
        assert (await spine.ask()).asked == ["cheap"]
        told = tell(await explain(spine.gateway, spine.router, spine.request()))
        assert "would cost about $0.0501" in next(row["reason"] for row in told["candidates"] if row["id"] == "dear")

    run(story())


def test_b10_nobody_cheap_enough_is_a_clear_error():
    async def story():
        spine = Spine([DEAR], max_cost_usd=0.01)
        told = await spine.ask()
        assert (told.status, told.code) == (402, "cost_limit_exceeded")
        assert "more than the limit of $0.01" in told.error.message
        assert (await spine.ask(max_tokens=10)).status == 200
        unpriced = Spine([make_endpoint("free")], max_cost_usd=0.000001)
        assert (await unpriced.ask()).status == 200

    run(story())


def test_b10_the_cost_of_an_answer_is_its_usage_times_the_price():
    async def story():
        spine = Spine([CHEAP])
        told = await spine.ask()
        assert told.outcome.cost_micros == 7 + 3

    run(story())


def test_x13_measured_latency_is_used():
    async def story():
        slow = {"a": 2.0, "b": 0.1}
        spine = Spine([make_endpoint("a"), make_endpoint("b")], policy="fastest", delay_s=slow.__getitem__)
        for _ in range(10):
            await spine.ask()
        found = Counter([(await spine.ask()).asked[0] for _ in range(100)])
        assert found["b"] >= 85
        slow.update(a=0.01, b=3.0)
        for _ in range(20):
            await spine.ask()
        await asyncio.sleep(1)
        assert Counter([(await spine.ask()).asked[0] for _ in range(30)])["a"] >= 20

    run(story())
