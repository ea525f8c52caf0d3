"""A router that asks a model, and hybrid, which asks only when rules are silent."""

from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute import errors
from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.domain.request import Facts, Importance, Task
from octoroute.routing.strategies import REASONS, STRATEGIES, never_ask, reason
from octoroute.routing.strategies.base import RouterSettings
from octoroute.routing.strategies.llm import CHOSEN, FAILURES, NO_WORDS, NOT_ASKED, SCHEMA, UNEXPECTED

OPEN = Facts(text="Why is the sky blue?", tokens=6)
"""No rule decides it."""


class Model:
    """A routing model that answers, or raises, what it was given; it remembers what it was asked."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    async def __call__(self, system, question, schema):
        self.asked.append((system, question, schema))
        await asyncio.sleep(0)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


ASKING = pytest.mark.parametrize("strategy", ["llm", "hybrid"])


@ASKING
@pytest.mark.parametrize("tier", CHAT_TIERS)
async def test_the_models_choice_counts(strategy, tier):
    model = Model(f'{{"tier": "{tier}"}}')
    decision = await STRATEGIES[strategy](RouterSettings(), model).route(OPEN)
    assert (decision.tier, decision.by, decision.why) == (tier, "llm", CHOSEN)
    ((system, question, schema),) = model.asked
    assert "Why is the sky blue?" in question
    assert "Why is the sky blue?" not in system
    assert schema is SCHEMA
    assert schema["properties"]["tier"]["enum"] == ["fast", "balanced", "deep"]


@ASKING
async def test_the_system_prompt_has_the_operators_descriptions(strategy):
    model = Model("FAST")
    await STRATEGIES[strategy](RouterSettings(tier_descriptions={Tier.FAST: "a parrot"}), model).route(OPEN)
    assert "FAST: a parrot" in model.asked[0][0]


FAILED = [
    (errors.TooSlow("t"), "upstream_timeout"),
    (errors.Unreachable("u"), "upstream_unreachable"),
    (errors.Throttled("t"), "upstream_rate_limited"),
    (errors.Overloaded("o"), "upstream_overloaded"),
    (errors.BadUpstreamResponse("b"), "upstream_failed"),
    (errors.UpstreamError("u"), "upstream_error"),
    (errors.UpstreamAuthError("m"), "upstream_misconfigured"),
    (errors.UpstreamRejected("d", status=400, body=b"", headers={}, dialect="openai"), "upstream_declined"),
    (errors.ContextTooLong(9, 8), "context_length_exceeded"),
    (errors.Exhausted("nobody"), "no_endpoint_available"),
    (errors.Exhausted("late", status=504, code="upstream_timeout"), "upstream_timeout"),
    (errors.Exhausted("odd", code="never heard of"), UNEXPECTED),
    (TimeoutError(), "upstream_timeout"),
    (RuntimeError("a defect"), UNEXPECTED),
    (KeyError("tier"), UNEXPECTED),
    ("", "router_empty"),
    ("<think>FAST or DEEP", "router_empty"),
    ("I'm sorry, FAST", "router_refusal"),
    ("purple", "router_unparseable"),
    ("FAST " * 300, "router_too_long"),
    (None, UNEXPECTED),  # an Ask that breaks its word
]


@ASKING
@pytest.mark.parametrize(("answer", "code"), FAILED)
async def test_whatever_goes_wrong_the_default_tier_answers(strategy, answer, code):
    for tier in CHAT_TIERS:
        decision = await STRATEGIES[strategy](RouterSettings(default_tier=tier), Model(answer)).route(OPEN)
        assert (decision.tier, decision.by) == (tier, "default")
        assert decision.why == FAILURES[code]
        assert reason(decision) == code


def test_every_failure_has_been_tried():
    assert {code for _, code in FAILED} == set(FAILURES)


@ASKING
async def test_a_cancelled_request_stays_cancelled(strategy):
    with pytest.raises(asyncio.CancelledError):
        await STRATEGIES[strategy](RouterSettings(), Model(asyncio.CancelledError())).route(OPEN)


@ASKING
async def test_explaining_sends_nothing_and_says_so(strategy):
    decision = await STRATEGIES[strategy](RouterSettings(default_tier=Tier.DEEP), never_ask).route(OPEN)
    assert (decision.tier, decision.by, decision.why) == (Tier.DEEP, "default", NOT_ASKED)


async def test_llm_asks_even_when_a_rule_would_do():
    model = Model("fast")
    decision = await STRATEGIES["llm"](RouterSettings(), model).route(Facts(text="compare the two", task=Task.DEEP_ANALYSIS))
    assert (decision.tier, len(model.asked)) == (Tier.FAST, 1)


async def test_concurrent_questions_do_not_mix():
    async def echo(_system, question, _schema):
        await asyncio.sleep(0)
        return next(tier for tier in CHAT_TIERS if f"pick-{tier}" in question)

    for strategy in ("llm", "hybrid"):
        router = STRATEGIES[strategy](RouterSettings(), echo)
        wanted = [tier for _ in range(40) for tier in CHAT_TIERS]
        decisions = await asyncio.gather(*(router.route(Facts(text=f"pick-{tier}")) for tier in wanted))
        assert [decision.tier for decision in decisions] == wanted


async def test_the_log_holds_no_prompt_above_debug(caplog):
    caplog.set_level(logging.INFO)
    await STRATEGIES["llm"](RouterSettings(), Model("my secret prompt repeated")).route(Facts(text="my secret prompt"))
    assert "secret" not in caplog.text
    caplog.set_level(logging.DEBUG)
    decision = await STRATEGIES["llm"](RouterSettings(), Model("my secret prompt repeated")).route(Facts(text="my secret prompt"))
    assert "names none of" in caplog.text
    assert "secret" not in decision.why


FACTS = st.builds(
    Facts,
    text=st.text(max_size=50),
    earlier=st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(max_size=20)), max_size=3).map(tuple),
    tokens=st.integers(-1, 10**7),
    tools=st.booleans(),
    images=st.booleans(),
    attachments=st.booleans(),
    importance=st.sampled_from(Importance),
    task=st.none() | st.sampled_from(Task),
)
ANSWERS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [*(answer for answer, _ in FAILED), "FAST", '{"tier": "deep"}', "```json\n{}\n```", "null", '{"tier": null}', "\ud800"]
    ),
)


@given(st.sampled_from(sorted(STRATEGIES)), FACTS, ANSWERS, st.sampled_from(CHAT_TIERS))
def test_a_decision_always_and_never_an_exception(strategy, facts, answer, default):
    decision = asyncio.run(STRATEGIES[strategy](RouterSettings(default_tier=default), Model(answer)).route(facts))
    assert decision.tier in CHAT_TIERS
    assert decision.why in REASONS
    assert decision.by != "default" or decision.tier is default


@pytest.mark.parametrize("strategy", ["llm", "hybrid"])
@pytest.mark.parametrize("facts", [Facts(text="tell me about boats", tools=True, continues=True), Facts(text=" \n"), Facts()])
async def test_no_model_is_asked_about_a_turn_without_new_words(strategy, facts):
    model = Model("deep")
    decision = await STRATEGIES[strategy](RouterSettings(default_tier=Tier.FAST), model).route(facts)
    assert not model.asked
    if strategy == "llm":
        assert (decision.tier, decision.by, decision.why) == (Tier.FAST, "default", NO_WORDS)
