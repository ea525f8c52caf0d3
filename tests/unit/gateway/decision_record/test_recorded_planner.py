"""A plan is made again with the availability of then, not of now."""

from __future__ import annotations

from octoroute.gateway.decision_record import snapshot, stored
from octoroute.gateway.decision_record.repetition import repeat
from tests.unit.gateway.decision_record.records import runtime_of, settle


async def test_an_endpoint_that_has_recovered_since_is_still_left_out():
    runtime = runtime_of()
    outcome = await settle(runtime, disabled={"fast-a"})
    for endpoint in runtime.gateway.settings.endpoints:
        runtime.gateway.health.set_enabled(endpoint, on=True)
    entry = await runtime.history.get("r1")
    record, then = stored.decode(entry.record), snapshot.decode(entry.settings)
    again = await repeat(record, then, runtime.inbound, "openai")
    assert again.orders == (("fast-b",),)
    assert again.decision.tier == outcome.decision.tier
    assert again.differences == ()
