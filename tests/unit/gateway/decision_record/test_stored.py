"""The stored form of a decision record: small, and without text."""

from __future__ import annotations

from octoroute.errors import BadRequest
from octoroute.gateway.decision_record import stored
from tests.unit.gateway.decision_record.records import PROMPT, runtime_of, settle


async def test_it_is_small_and_has_neither_prompt_nor_key():
    runtime = runtime_of()
    outcome = await settle(runtime)
    encoded = (await runtime.history.get("r1")).record
    record = stored.decode(encoded)
    assert len(encoded) < 250
    assert PROMPT.encode() not in encoded
    assert b"zebras" not in encoded
    assert record.decision.decision() == outcome.decision
    assert record.model == "auto"
    assert record.facts.facts().context_tokens == outcome.trace.facts.context_tokens


async def test_a_request_without_a_trace_has_no_record():
    runtime = runtime_of()
    runtime.gateway.rejected("openai", "r2", BadRequest("no"))
    assert (await runtime.history.get("r2")).record is None


async def test_the_settings_are_encoded_when_they_change():
    runtime = runtime_of()
    writer = stored.RecordWriter(runtime.gateway.upstream.dialects)
    outcome = await settle(runtime)
    first, second = (writer.record(outcome)[1] for _ in range(2))
    assert first is second
    runtime.reload(runtime.config)
    assert writer.record(await settle(runtime, "r3"))[1] == first
