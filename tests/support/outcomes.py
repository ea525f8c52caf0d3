"""Outcomes of requests at two endpoints: one as an example, and any."""

from __future__ import annotations

from hypothesis import strategies as st

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.domain.outcome import Attempt, Ending, Outcome, Usage
from octoroute.domain.price import Price
from tests.support.parts import endpoint

ENDPOINTS = (endpoint("a"), endpoint("b", tier=Tier.DEEP, price=Price(input=1, output=2)))


def outcome(**more) -> Outcome:
    basis = {
        "request_id": "r",
        "dialect": "openai",
        "asked_for": "auto",
        "stream": False,
        "ending": Ending.ANSWERED,
        "status": 200,
        "decision": Decision(tier=Tier.FAST, by="rule", why="x"),
        "attempts": (Attempt(endpoint=ENDPOINTS[0], took_s=0.1),),
        "endpoint": ENDPOINTS[0],
        "first_event_s": 0.1,
        "total_s": 0.2,
    }
    return Outcome(**{**basis, **more})


ATTEMPTS = st.builds(
    Attempt,
    endpoint=st.sampled_from(ENDPOINTS),
    took_s=st.floats(0, 10),
    error=st.sampled_from([None, "upstream_failed"]),
    rejected=st.sampled_from([None, "score"]),
    usage=st.sampled_from([None, Usage(input_tokens=3, output_tokens=4)]),
)
OUTCOMES = st.builds(
    outcome,
    attempts=st.lists(ATTEMPTS, max_size=3).map(tuple),
    endpoint=st.sampled_from([*ENDPOINTS, None]),
    ending=st.sampled_from(Ending),
    stream=st.booleans(),
    decision=st.sampled_from([None, *(Decision(tier=tier, by=by, why="x") for tier in CHAT_TIERS for by in ("rule", "client"))]),
    routing_s=st.floats(0, 1),
    first_event_s=st.none() | st.floats(0, 400),
    total_s=st.floats(0, 400),
    usage=st.none() | st.builds(Usage, input_tokens=st.integers(0, 99), cached_tokens=st.integers(0, 99), estimated=st.booleans()),
    error=st.sampled_from([None, "upstream_failed"]),
    queued_s=st.none() | st.floats(0, 9),
    cache=st.sampled_from([None, "hit", "miss"]),
    cascade=st.sampled_from([None, "kept", "escalated"]),
    prompt_estimate=st.integers(0, 99),
)
