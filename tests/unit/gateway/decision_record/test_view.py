"""The decision record as people and programs read it."""

from __future__ import annotations

import msgspec

from tests.unit.gateway.decision_record.records import PROMPT, runtime_of, settle


async def test_it_says_all_that_route_says_and_what_happened():
    runtime = runtime_of()
    outcome = await settle(runtime, disabled={"fast-a"})
    view = await runtime.records.find("r1")
    assert view["version"] == 1
    assert (view["id"], view["status"], view["ending"]) == ("r1", 200, "answered")
    decision = view["decision"]
    assert (decision["strategy"], decision["reason"], view["reason"]) == ("learned", "the learned score", "score")
    assert decision["confidence"] == outcome.decision.confidence < view["router"]["thresholds"]["balanced"]
    assert [(one["name"], one["weight"]) for one in decision["features"]] == list(outcome.decision.features)
    by_id = {candidate["id"]: candidate for candidate in view["candidates"]}
    assert set(by_id) == {"fast-a", "fast-b", "balanced-a", "balanced-b", "deep-a", "deep-b"}
    assert by_id["fast-b"]["chosen"]
    assert "attempt 1: answered after 200 ms" in by_id["fast-b"]["reason"]
    assert by_id["fast-a"]["reason"] == "disabled by an operator"
    assert by_id["deep-a"]["reason"] == "its tier is deep"
    (attempt,) = view["attempts"]
    assert (attempt["endpoint"], attempt["took_ms"], attempt["error"], attempt["cost_micros"]) == ("fast-b", 200.0, None, 1200)
    assert view["constraints"]["excluded"] == [{"reason": "disabled by an operator", "endpoints": ["fast-a"]}]
    assert view["again"] == {"same": True, "differences": []}


async def test_it_says_what_the_other_tiers_would_have_cost():
    runtime = runtime_of()
    await settle(runtime)
    view = await runtime.records.find("r1")
    assert [(other["tier"], other["cost_micros"]) for other in view["alternatives"]] == [
        ("fast", 1200),
        ("balanced", 6000),
        ("deep", 25000),
    ]


async def test_it_has_no_text_of_the_prompt():
    runtime = runtime_of()
    await settle(runtime)
    assert PROMPT not in msgspec.json.encode(await runtime.records.find("r1")).decode()
