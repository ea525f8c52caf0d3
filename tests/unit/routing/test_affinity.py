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


class Affinity:
    def __init__(self, *, explore=0.0, random=None, endpoints=ENDPOINTS, **sticky):
        self.clock = Clock()
        self.conversations = ConversationMemory(self.clock)
        self.affinity = SessionAffinity(
            sticky=StickyOptions(**sticky),
            explore=explore,
            endpoints=endpoints,
            conversations=self.conversations,
            random=(random or Random(7)).random,
        )

    def answered(self, request, tier, *, prefix=60_000, output=300, ending=Ending.ANSWERED, by="learned"):
        endpoint = next(endpoint for endpoint in ENDPOINTS if endpoint.tier is tier)
        self.affinity.on_outcome(
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

    def adjust(self, request, decision):
        return self.affinity.adjust(request, decision)


def sized(request, tokens):
    return msgspec.structs.replace(request, facts=msgspec.structs.replace(request.facts, context_tokens=tokens))


def long(text="rename the variable", **more):
    return sized(asked(text, **more), 60_100)


def test_a_long_conversation_keeps_its_tier():
    affinity = Affinity()
    affinity.answered(long(), DEEP)
    kept = affinity.adjust(long(), decided(FAST))
    assert (kept.tier, kept.why, kept.by, kept.propensity) == (DEEP, KEPT, "learned", 1.0)


def test_a_short_one_has_nothing_to_lose():
    affinity = Affinity()
    affinity.answered(asked(), DEEP, prefix=400)
    assert affinity.adjust(asked(), decided(FAST)).tier is FAST


def test_a_hard_question_climbs_however_long_the_conversation():
    affinity = Affinity()
    affinity.answered(long(), FAST)
    assert affinity.adjust(long(), decided(DEEP, 0.8)).tier is DEEP
    assert affinity.adjust(long(), decided(BALANCED, 0.33)).tier is FAST


def test_what_the_client_or_a_rule_decides_is_left_alone():
    affinity = Affinity()
    affinity.answered(long(), DEEP)
    for by in ("client", "rule", "default"):
        decision = decided(FAST, by=by)
        assert affinity.adjust(long(), decision) is decision


def test_a_new_conversation_is_decided_anew():
    affinity = Affinity()
    first = INBOUND["openai"].read(
        json.dumps({"model": "auto", "messages": [{"role": "user", "content": "first question"}]}).encode(),
        request_id="r",
        headers={},
    )
    affinity.answered(first, DEEP)
    assert affinity.adjust(first, decided(FAST)).tier is FAST
    assert affinity.adjust(long(), decided(FAST)).tier is DEEP  # its next turn


def test_a_session_is_known_by_its_name():
    affinity = Affinity()
    affinity.answered(long("a", headers={"x-claude-code-session-id": "s1"}), DEEP)
    other = sized(asked("b", headers={"x-claude-code-session-id": "s2"}), 60_100)
    assert affinity.adjust(other, decided(FAST)).tier is FAST
    same = sized(asked("b", headers={"x-claude-code-session-id": "s1"}, seed=1), 60_100)
    assert affinity.adjust(same, decided(FAST)).tier is DEEP
    affinity.answered(sized(asked("c", metadata={"user_id": "user_1_session_9"}), 60_100), DEEP)
    assert len(affinity.conversations) == 2
    assert affinity.adjust(sized(asked("d", metadata={"user_id": "user_1_session_9"}), 60_100), decided(FAST)).tier is DEEP


@pytest.mark.parametrize("ending", [Ending.BROKEN, Ending.FAILED, Ending.ABANDONED])
def test_only_answers_count(ending):
    affinity = Affinity()
    affinity.answered(long(), DEEP, ending=ending)
    assert len(affinity.conversations) == 0


def test_it_is_forgotten_after_a_while():
    affinity = Affinity(ttl_s=10)
    affinity.answered(long(), DEEP)
    affinity.clock.pass_(9.9)
    assert affinity.adjust(long(), decided(FAST)).tier is DEEP
    affinity.clock.pass_(0.2)
    assert affinity.adjust(long(), decided(FAST)).tier is FAST


def test_memory_is_bounded_and_the_oldest_goes_first():
    affinity = Affinity(max_conversations=3)
    for number in range(5):
        affinity.answered(asked(headers={"x-claude-code-session-id": str(number)}), DEEP)
    assert len(affinity.conversations) == 3
    tiers = [
        affinity.adjust(sized(asked(headers={"x-claude-code-session-id": str(n)}), 60_100), decided(FAST)).tier for n in range(5)
    ]
    assert tiers == [FAST, FAST, DEEP, DEEP, DEEP]


def test_what_is_remembered_holds_no_text():
    affinity = Affinity()
    affinity.answered(long("a secret word"), DEEP)
    assert "secret" not in repr(affinity.conversations._states) and "first" not in repr(affinity.conversations._states)


def test_it_can_be_turned_off():
    affinity = Affinity(enabled=False)
    affinity.answered(long(), DEEP)
    assert len(affinity.conversations) == 0
    assert affinity.adjust(asked("It still doesn't work at all."), decided(FAST)).tier is FAST


def test_a_user_who_asks_again_gets_a_bigger_tier():
    affinity = Affinity()
    again = asked("first question?")
    assert (affinity.adjust(again, decided(FAST)).tier, affinity.adjust(again, decided(FAST)).why) == (BALANCED, STUCK)
    affinity.answered(again, BALANCED)
    assert affinity.adjust(again, decided(FAST)).tier is DEEP
    assert affinity.adjust(again, decided(DEEP)).tier is DEEP


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

    affinity = Affinity()
    assert affinity.adjust(failing(2), decided(FAST)).tier is FAST
    assert affinity.adjust(failing(3), decided(FAST)).tier is BALANCED
    assert Affinity(climb_after_failures=0).adjust(failing(9), decided(FAST)).tier is FAST


def test_a_bigger_tier_that_does_not_exist_is_not_climbed_to():
    affinity = Affinity(endpoints=[endpoint for endpoint in ENDPOINTS if endpoint.tier is not BALANCED])
    assert affinity.adjust(asked("first question?"), decided(FAST)).tier is DEEP
    only = Affinity(endpoints=ENDPOINTS[:1])
    assert only.adjust(asked("first question?"), decided(FAST)).tier is FAST


def test_a_kept_tier_is_not_tried_cheaply_first():
    affinity = Affinity()
    affinity.answered(long(), DEEP)
    assert affinity.adjust(long(), decided(FAST, then=DEEP)).then is None


def test_lots_are_drawn_with_the_chances_that_are_written_down():
    affinity = Affinity(explore=0.3, random=Random(1))
    drawn = [affinity.adjust(asked(), decided(FAST)) for _ in range(6000)]
    for tier, chance in ((FAST, 0.8), (BALANCED, 0.1), (DEEP, 0.1)):
        mine = [decision for decision in drawn if decision.tier is tier]
        assert len(mine) / len(drawn) == pytest.approx(chance, abs=0.02)
        assert all(decision.propensity == pytest.approx(chance) for decision in mine)
        assert {decision.why for decision in mine} == {SCORED if tier is FAST else EXPLORED}


def test_an_explanation_draws_no_lots():
    affinity = Affinity(explore=0.5)
    assert {affinity.affinity.adjust(asked(), decided(FAST), dry=True).tier for _ in range(100)} == {FAST}


TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]


def in_loop(*, headers=None, first="fix the bug", results=1, **body):
    messages = [{"role": "system", "content": f"checksum {results}"}, {"role": "user", "content": first}]
    for number in range(results):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "read", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{number}", "content": "def f(): pass"},
        ]
    raw = json.dumps({"model": "auto", "messages": messages, "tools": TOOLS, **body}).encode()
    return INBOUND["openai"].read(raw, request_id="r", headers=headers or {})


@pytest.mark.parametrize("by", ["rule", "default", "llm", "learned"])
@pytest.mark.parametrize("enabled", [True, False])
def test_a_tool_loop_keeps_its_tier_whatever_decided_it(by, enabled):
    affinity = Affinity(enabled=enabled)
    session = {"x-claude-code-session-id": "s"}
    affinity.answered(in_loop(results=0, headers=session), BALANCED, by=by, prefix=100)
    for results in (1, 2, 3):
        kept = affinity.adjust(in_loop(results=results, headers=session), decided(DEEP, 0.99, by=by))
        assert (kept.tier, kept.by, kept.why) == (BALANCED, by, KEPT)


def test_a_turn_that_the_routing_model_was_not_asked_about_says_what_decided_its_conversation():
    affinity = Affinity()
    session = {"x-claude-code-session-id": "s"}
    affinity.answered(in_loop(results=0, headers=session), FAST, by="llm", prefix=100)
    kept = affinity.adjust(in_loop(headers=session), decided(BALANCED, by="default"))
    assert (kept.tier, kept.by, kept.why) == (FAST, "llm", KEPT)


def test_a_subagent_of_the_same_session_has_a_tier_of_its_own():
    affinity = Affinity()
    session = {"x-claude-code-session-id": "s"}
    affinity.answered(in_loop(results=0, headers=session), DEEP, by="rule")
    affinity.answered(in_loop(results=0, headers=session, first="count the files"), FAST, by="rule")
    assert affinity.adjust(in_loop(headers=session), decided(BALANCED, by="rule")).tier is DEEP
    assert affinity.adjust(in_loop(headers=session, first="count the files"), decided(BALANCED, by="rule")).tier is FAST


def test_a_loop_that_is_not_remembered_is_decided_as_usual_and_then_kept():
    affinity = Affinity(explore=1.0)
    session = {"x-claude-code-session-id": "s"}
    decision = affinity.adjust(in_loop(headers=session), decided(FAST))
    assert (decision.tier, decision.why, decision.propensity) == (FAST, SCORED, 1.0), "no exploration inside a loop"
    affinity.answered(in_loop(headers=session), FAST)
    assert affinity.adjust(in_loop(results=2, headers=session), decided(DEEP, 0.99)).tier is FAST


def test_a_tool_loop_that_is_stuck_climbs_and_stays_there():
    affinity = Affinity()
    session = {"x-claude-code-session-id": "s"}
    affinity.answered(in_loop(results=0, headers=session), FAST, by="llm")

    def failing(results):
        messages = json.loads(in_loop(results=results).body.raw)["messages"]
        failed = [{**message, "content": "Error: no such file"} if message["role"] == "tool" else message for message in messages]
        return in_loop(results=0, headers=session, messages=failed)

    assert affinity.adjust(failing(2), decided(FAST, by="default")).tier is FAST
    climbed = affinity.adjust(failing(3), decided(FAST, by="default"))
    assert (climbed.tier, climbed.why, climbed.by) == (BALANCED, STUCK, "llm")


def test_rules_of_the_operator_are_not_remembered():
    affinity = Affinity()
    request = in_loop(results=0)
    endpoint = next(endpoint for endpoint in ENDPOINTS if endpoint.tier is DEEP)
    affinity.affinity.on_outcome(
        Outcome(
            request_id="r",
            dialect="openai",
            asked_for="auto",
            stream=False,
            ending=Ending.ANSWERED,
            status=200,
            decision=decided(DEEP, by="rule", fixed=True),
            endpoint=endpoint,
        ),
        request,
    )
    assert len(affinity.conversations) == 0


def test_what_an_adjusted_decision_depends_on_is_kept_in_it():
    affinity = Affinity()
    request = long()
    affinity.answered(request, DEEP)
    router = decided(FAST)
    kept = affinity.adjust(request, router)
    assert (kept.tier, kept.why, kept.routed) == (DEEP, KEPT, router)
    assert (kept.affinity.conversation.tier, kept.affinity.stuck, kept.affinity.draws) == (DEEP, False, ())
    unknown = affinity.adjust(asked(turns=0), router)
    assert (unknown.routed, unknown.affinity) == (None, None)


def test_the_lots_that_were_drawn_are_kept():
    affinity = Affinity(explore=0.5, random=Random(3))
    decisions = [affinity.adjust(asked(turns=0), decided(FAST)) for _ in range(30)]
    again = Random(3)
    for decision in decisions:
        assert decision.affinity.draws == tuple(again.random() for _ in decision.affinity.draws)
    assert {len(decision.affinity.draws) for decision in decisions} == {1, 2}
