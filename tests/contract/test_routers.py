"""What every routing strategy must do; a new line in the registry is tested by that alone."""

from __future__ import annotations

import tracemalloc

import pytest

from octoroute.domain.endpoint import CHAT_TIERS
from octoroute.domain.request import Facts
from octoroute.routing.strategies import STRATEGIES, RouterSettings, reason

BIG = "Compare the code in this poem, (). " * 30_000


class Model:
    """Answers the same to everything and counts the characters it had to read."""

    def __init__(self, answer="BALANCED"):
        self.answer = answer
        self.read = 0

    async def __call__(self, system, question, schema):
        self.read += len(system) + len(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(params=sorted(STRATEGIES))
def strategy(request):
    return STRATEGIES[request.param]


def check(decision):
    assert decision.tier in CHAT_TIERS
    assert decision.why
    assert len(decision.why) < 120
    assert reason(decision) != "other"
    assert decision.only is None


@pytest.mark.parametrize("answer", ["BALANCED", "", "nonsense", TimeoutError(), RuntimeError("a defect")])
async def test_it_decides_about_nothing_at_all(strategy, answer):
    check(await strategy(RouterSettings(), Model(answer)).route(Facts()))


@pytest.mark.parametrize("answer", ["BALANCED", RuntimeError("a defect")])
async def test_a_megabyte_is_bounded_work(strategy, answer):
    model = Model(answer)
    router = strategy(RouterSettings(), model)
    facts = Facts(text=BIG, earlier=(("user", BIG), ("assistant", BIG)) * 20, tokens=len(BIG) // 4, messages=41)
    await router.route(Facts(text="warm"))
    model.read = 0
    tracemalloc.start()
    decision = await router.route(facts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    check(decision)
    assert model.read < 10_000
    assert peak < len(BIG)


@pytest.mark.parametrize("text", ["", "hi", "Write a story", "Why is the sky blue?", BIG, "\ud800", "\x00"])
async def test_the_same_facts_get_the_same_decision(strategy, text):
    facts = Facts(text=text, tokens=len(text) // 4)
    first = await strategy(RouterSettings(), Model()).route(facts)
    again = strategy(RouterSettings(), Model())
    assert [await again.route(facts) for _ in range(3)] == [first] * 3


@pytest.mark.parametrize("tier", CHAT_TIERS)
async def test_the_default_tier_is_the_configured_one(strategy, tier):
    decision = await strategy(RouterSettings(default_tier=tier), Model("")).route(Facts(text="Why is the sky blue?"))
    assert decision.by != "default" or decision.tier is tier


async def test_a_decision_never_repeats_the_prompt(strategy):
    for answer in ("xyzzy", RuntimeError("xyzzy"), "FAST"):
        decision = await strategy(RouterSettings(), Model(answer)).route(Facts(text="xyzzy"))
        assert "xyzzy" not in repr(decision)
