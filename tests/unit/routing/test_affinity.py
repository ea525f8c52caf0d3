from __future__ import annotations

import json
import time
from random import Random

import msgspec
import pytest

from octoroute import dialects
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS
from octoroute.domain.outcome import Attempt, Ending, Outcome, Usage
from octoroute.routing.affinity import EXPLORED, KEPT, STUCK, SessionAffinity
from octoroute.routing.cache_economics import (
    ConversationMemory,
    StickyOptions,
)
from octoroute.routing.strategies.learned import SCORED
from tests.support.live_gateway import Clock
from tests.support.spine import make_endpoint

INBOUND = dialects.inbound(time.time)
ENDPOINTS = [make_endpoint(tier.value, tier=tier) for tier in CHAT_TIERS]
FAST, BALANCED, DEEP = CHAT_TIERS


def decided(tier, score=0.2, **more):
    return Decision(**{"tier": tier, "by": "learned", "why": SCORED, "confidence": score, **more})


def asked(text="rename the variable", *, turns=1, headers=None, **body):
    messages = [{"role": "user", "content": "first question"}]
    messages += [{"role": "assistant", "content": "first answer"}, {"role": "user", "content": text}] * turns
    raw = json.dumps({"model": "auto", "messages": messages, **body}).encode()
    return INBOUND["openai"].read(raw, request_id="r", headers=headers or {})


class Steered:
    def __init__(self, *, explore=0.0, random=None, endpoints=ENDPOINTS, **sticky):
        self.clock = Clock()
        self.conversations = ConversationMemory(self.clock)
        self.steering = SessionAffinity(
            sticky=StickyOptions(**sticky),
            explore=explore,
            endpoints=endpoints,
            conversations=self.conversations,
            random=(random or Random(7)).random,
        )

    def answered(self, request, tier, *, prefix=60_000, output=300, ending=Ending.ANSWERED, by="learned"):
        endpoint = next(endpoint for endpoint in ENDPOINTS if endpoint.tier is tier)
        self.steering.on_outcome(
            Outcome(
                request_id="r",
                dialect="openai",
                asked_for="auto",
                stream=False,
                ending=ending,
                status=200,
                decision=decided(tier, by=by),
                attempts=(Attempt(endpoint=endpoint, took_s=0.1),),
                endpoint=endpoint,
                usage=Usage(input_tokens=prefix - output, output_tokens=output),
            ),
            request,
        )

    def steer(self, request, decision):
        return self.steering.adjust(request, decision)


def sized(request, tokens):
    return msgspec.structs.replace(request, facts=msgspec.structs.replace(request.facts, context_tokens=tokens))


def long(text="rename the variable", **more):
    return sized(asked(text, **more), 60_100)


def test_a_long_conversation_keeps_its_tier():
    gateway = Steered()
    gateway.answered(long(), DEEP)
    kept = gateway.steer(long(), decided(FAST))
    assert (kept.tier, kept.why, kept.by, kept.propensity) == (DEEP, KEPT, "learned", 1.0)


def test_a_short_one_has_nothing_to_lose():
    gateway = Steered()
    gateway.answered(asked(), DEEP, prefix=400)
    assert gateway.steer(asked(), decided(FAST)).tier is FAST


def test_a_hard_question_climbs_however_long_the_conversation():
    gateway = Steered()
    gateway.answered(long(), FAST)
    assert gateway.steer(long(), decided(DEEP, 0.8)).tier is DEEP
    assert gateway.steer(long(), decided(BALANCED, 0.33)).tier is FAST


def test_what_the_client_or_a_rule_decides_is_left_alone():
    gateway = Steered()
    gateway.answered(long(), DEEP)
    for by in ("client", "rule", "default"):
        decision = decided(FAST, by=by)
        assert gateway.steer(long(), decision) is decision


def test_a_new_conversation_is_decided_anew():
    gateway = Steered()
    first = INBOUND["openai"].read(
        json.dumps({"model": "auto", "messages": [{"role": "user", "content": "first question"}]}).encode(),
        request_id="r",
        headers={},
    )
    gateway.answered(first, DEEP)
    assert gateway.steer(first, decided(FAST)).tier is FAST
    assert gateway.steer(long(), decided(FAST)).tier is DEEP  # its next turn


def test_a_session_is_known_by_its_name():
    gateway = Steered()
    gateway.answered(long("a", headers={"x-claude-code-session-id": "s1"}), DEEP)
    other = sized(asked("b", headers={"x-claude-code-session-id": "s2"}), 60_100)
    assert gateway.steer(other, decided(FAST)).tier is FAST
    same = sized(asked("b", headers={"x-claude-code-session-id": "s1"}, seed=1), 60_100)
    assert gateway.steer(same, decided(FAST)).tier is DEEP
    gateway.answered(sized(asked("c", metadata={"user_id": "user_1_session_9"}), 60_100), DEEP)
    assert len(gateway.conversations) == 2
    assert gateway.steer(sized(asked("d", metadata={"user_id": "user_1_session_9"}), 60_100), decided(FAST)).tier is DEEP


@pytest.mark.parametrize("ending", [Ending.BROKEN, Ending.FAILED, Ending.ABANDONED])
def test_only_answers_count(ending):
    gateway = Steered()
    gateway.answered(long(), DEEP, ending=ending)
    assert len(gateway.conversations) == 0


def test_it_is_forgotten_after_a_while():
    gateway = Steered(ttl_s=10)
    gateway.answered(long(), DEEP)
    gateway.clock.pass_(9.9)
    assert gateway.steer(long(), decided(FAST)).tier is DEEP
    gateway.clock.pass_(0.2)
    assert gateway.steer(long(), decided(FAST)).tier is FAST


def test_memory_is_bounded_and_the_oldest_goes_first():
    gateway = Steered(max_conversations=3)
    for number in range(5):
        gateway.answered(asked(headers={"x-claude-code-session-id": str(number)}), DEEP)
    assert len(gateway.conversations) == 3
    tiers = [
        gateway.steer(sized(asked(headers={"x-claude-code-session-id": str(n)}), 60_100), decided(FAST)).tier for n in range(5)
    ]
    assert tiers == [FAST, FAST, DEEP, DEEP, DEEP]


def test_what_is_remembered_holds_no_text():
    gateway = Steered()
    gateway.answered(long("a secret word"), DEEP)
    assert "secret" not in repr(gateway.conversations._states) and "first" not in repr(gateway.conversations._states)


def test_it_can_be_turned_off():
    gateway = Steered(enabled=False)
    gateway.answered(long(), DEEP)
    assert len(gateway.conversations) == 0
    assert gateway.steer(asked("It still doesn't work at all."), decided(FAST)).tier is FAST


def test_a_user_who_asks_again_gets_a_bigger_tier():
    gateway = Steered()
    again = asked("first question?")
    assert (gateway.steer(again, decided(FAST)).tier, gateway.steer(again, decided(FAST)).why) == (BALANCED, STUCK)
    gateway.answered(again, BALANCED)
    assert gateway.steer(again, decided(FAST)).tier is DEEP
    assert gateway.steer(again, decided(DEEP)).tier is DEEP


def test_tools_that_keep_failing_get_a_bigger_tier():
    def failing(times):
        messages = [{"role": "user", "content": "fix it"}]
        for _ in range(times):
            call = {"id": "c", "type": "function", "function": {"name": "run", "arguments": "{}"}}
            messages += [
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c", "content": "Error: no"},
            ]
        return INBOUND["openai"].read(json.dumps({"model": "auto", "messages": messages}).encode(), request_id="r", headers={})

    gateway = Steered()
    assert gateway.steer(failing(2), decided(FAST)).tier is FAST
    assert gateway.steer(failing(3), decided(FAST)).tier is BALANCED
    assert Steered(climb_after_failures=0).steer(failing(9), decided(FAST)).tier is FAST


def test_a_bigger_tier_that_does_not_exist_is_not_climbed_to():
    gateway = Steered(endpoints=[endpoint for endpoint in ENDPOINTS if endpoint.tier is not BALANCED])
    assert gateway.steer(asked("first question?"), decided(FAST)).tier is DEEP
    only = Steered(endpoints=ENDPOINTS[:1])
    assert only.steer(asked("first question?"), decided(FAST)).tier is FAST


def test_a_kept_tier_is_not_tried_cheaply_first():
    gateway = Steered()
    gateway.answered(long(), DEEP)
    assert gateway.steer(long(), decided(FAST, then=DEEP)).then is None


def test_lots_are_drawn_with_the_chances_that_are_written_down():
    gateway = Steered(explore=0.3, random=Random(1))
    drawn = [gateway.steer(asked(), decided(FAST)) for _ in range(6000)]
    for tier, chance in ((FAST, 0.8), (BALANCED, 0.1), (DEEP, 0.1)):
        mine = [decision for decision in drawn if decision.tier is tier]
        assert len(mine) / len(drawn) == pytest.approx(chance, abs=0.02)
        assert all(decision.propensity == pytest.approx(chance) for decision in mine)
        assert {decision.why for decision in mine} == {SCORED if tier is FAST else EXPLORED}


def test_an_explanation_draws_no_lots():
    gateway = Steered(explore=0.5)
    assert {gateway.steering.adjust(asked(), decided(FAST), dry=True).tier for _ in range(100)} == {FAST}
