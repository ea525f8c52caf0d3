"""What another setting would have decided."""

from __future__ import annotations

import pytest

from octoroute.errors import BadRequest
from octoroute.gateway.decision_record.what_if import UNAVAILABLE, SettingsChange, ThresholdChange
from tests.unit.gateway.decision_record.records import TREE, runtime_of, settle


async def changed(runtime, **change):
    return await runtime.records.redecide("r1", SettingsChange(**change))


@pytest.mark.parametrize("policy", ["weighted", "least_busy", "fastest", "round_robin", "sticky", "cheapest"])
async def test_without_a_change_it_is_the_same(policy):
    runtime = runtime_of({**TREE, "selection": {"policy": policy}})
    for _ in range(5):
        await settle(runtime)
        assert (await changed(runtime))["same"]


async def test_another_threshold_leads_to_another_tier():
    runtime = runtime_of()
    outcome = await settle(runtime)
    found = await changed(runtime, thresholds=ThresholdChange(balanced=0.0, deep=outcome.decision.confidence))
    assert (found["was"]["tier"], found["now"]["tier"], found["same"]) == ("fast", "deep", False)
    assert set(found["now"]["order"]) == {"deep-a", "deep-b"}


async def test_an_endpoint_that_is_down_is_left_out_and_then_its_tier():
    runtime = runtime_of()
    await settle(runtime)
    found = await changed(runtime, unavailable=("fast-a",))
    assert (found["now"]["order"], found["now"]["excluded"]) == (["fast-b"], {"fast-a": UNAVAILABLE})
    found = await changed(runtime, unavailable=("fast-a", "fast-b"))
    assert set(found["now"]["order"]) == {"balanced-a", "balanced-b"}


async def test_another_strategy_and_quality():
    runtime = runtime_of()
    await settle(runtime)
    found = await changed(runtime, strategy="cascade")
    assert (found["now"]["tier"], found["now"]["then"]) == ("fast", "deep")
    assert (await changed(runtime, quality=1.0))["now"]["tier"] == "deep"


async def test_a_name_that_the_client_chose_is_no_matter_of_strategy():
    runtime = runtime_of()
    await settle(runtime, model="m-deep")
    assert (await changed(runtime, strategy="rule"))["same"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"strategy": "rule"}, "task"),
        ({"strategy": "llm"}, "asks a model"),
        ({"unavailable": ("nothing",)}, "nothing"),
        ({"thresholds": ThresholdChange(balanced=0.9, deep=0.1)}, "above"),
    ],
)
async def test_what_the_record_does_not_know_is_said(change, word):
    runtime = runtime_of()
    await settle(runtime)
    with pytest.raises(BadRequest, match=word):
        await changed(runtime, **change)


async def test_a_rule_table_has_no_score():
    runtime = runtime_of({**TREE, "routing": {"strategy": "rule"}})
    await settle(runtime)
    assert (await changed(runtime))["same"]
    for change in ({"strategy": "learned"}, {"thresholds": ThresholdChange(deep=0.5)}):
        with pytest.raises(BadRequest, match="rule"):
            await changed(runtime, **change)
