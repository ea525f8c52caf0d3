"""The whole table, with every boundary on both its sides."""

from __future__ import annotations

import itertools

import pytest

from octoroute.domain.endpoint import CHAT_TIERS
from octoroute.domain.request import Facts, Importance, Task
from octoroute.routing.strategies import REASONS, reason
from octoroute.routing.strategies.base import RouterSettings
from octoroute.routing.strategies.rule import NO_RULE, RULES, RuleRouter, build, decide

LOW, NORMAL, HIGH = Importance
CHAT, CODE, CREATIVE, ANALYSIS, SUMMARY, QUESTION = Task
FAST, BALANCED, DEEP = CHAT_TIERS
HUGE = 10**9


def expected(task, tokens, importance):
    """The table as the specification has it, written a second time and differently."""
    if task is CHAT:
        return FAST if tokens < 256 and importance is not HIGH else None
    if importance is HIGH or task in {ANALYSIS, CREATIVE}:
        return DEEP
    if task is CODE:
        return DEEP if tokens > 1024 else BALANCED
    return BALANCED if 200 <= tokens < 2048 else None


@pytest.mark.parametrize(
    ("task", "tokens", "importance"),
    list(itertools.product(Task, (0, 1, 199, 200, 255, 256, 1023, 1024, 1025, 2047, 2048, HUGE), Importance)),
)
def test_the_table(task, tokens, importance):
    decision = decide(Facts(task=task, tokens=tokens, importance=importance))
    assert (decision and decision.tier) == expected(task, tokens, importance)
    assert decision is None or decision.by == "rule"


@pytest.mark.parametrize(
    ("task", "tokens", "importance", "tier"),
    [
        (CHAT, 255, NORMAL, FAST),
        (CHAT, 256, NORMAL, None),
        (CHAT, 255, LOW, FAST),
        (CHAT, 0, HIGH, None),
        (CHAT, 5000, HIGH, None),
        (CODE, 1024, NORMAL, BALANCED),
        (CODE, 1025, NORMAL, DEEP),
        (CODE, 1, HIGH, DEEP),
        (QUESTION, 199, NORMAL, None),
        (QUESTION, 200, NORMAL, BALANCED),
        (QUESTION, 2047, NORMAL, BALANCED),
        (QUESTION, 2048, NORMAL, None),
        (QUESTION, 10, HIGH, DEEP),
        (SUMMARY, 199, LOW, None),
        (SUMMARY, 200, LOW, BALANCED),
        (SUMMARY, 2047, LOW, BALANCED),
        (SUMMARY, 2048, LOW, None),
        (ANALYSIS, 0, LOW, DEEP),
        (CREATIVE, HUGE, LOW, DEEP),
    ],
)
def test_the_boundaries_in_plain_sight(task, tokens, importance, tier):
    decision = decide(Facts(task=task, tokens=tokens, importance=importance))
    assert (decision and decision.tier) == tier


def test_the_task_is_inferred_when_the_client_did_not_say():
    assert decide(Facts(text="Write a story about a fox")).why == "creative writing"
    assert decide(Facts(text="Write a story about a fox", task=CODE)).why == "code up to 1024 tokens"
    assert decide(Facts(text="hi", tokens=1)).tier is FAST
    assert decide(Facts(text="Which postal code has Delhi ", tokens=8)) is None


@pytest.mark.parametrize("tier", CHAT_TIERS)
async def test_what_no_rule_decides_goes_to_the_default_tier(tier):
    decision = await RuleRouter(RouterSettings(default_tier=tier)).route(Facts(text="Why is the sky blue?"))
    assert (decision.tier, decision.by, decision.why) == (tier, "default", NO_RULE)


async def test_rules_ask_no_model():
    async def ask(*_):
        raise AssertionError

    router = build(RouterSettings(), ask)
    for task in Task:
        await router.route(Facts(task=task))


def test_every_reason_is_listed_and_has_its_own_word():
    assert {rule.why for rule in RULES} < set(REASONS)
    assert len(set(REASONS.values())) == len(REASONS)
    assert all(word.isidentifier() and word.islower() for word in REASONS.values())
    assert reason(decide(Facts(task=CODE, tokens=1025))) == "code_long"
