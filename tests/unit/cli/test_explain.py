"""`octoroute explain`: one request of the history, for a terminal."""

from __future__ import annotations

from octoroute.cli.explain import lines
from octoroute.errors import BadRequest
from tests.unit.gateway.decision_record.records import PROMPT, runtime_of, settle


async def told(runtime, id):
    return "\n".join(lines(await runtime.records.find(id)))


async def test_it_says_why_what_happened_and_what_else_it_would_have_cost():
    runtime = runtime_of()
    await settle(runtime, disabled={"fast-a"})
    text = await told(runtime, "r1")
    assert "decided   fast by learned: the learned score" in text
    assert "attempt 1 fast-b: answered after 200 ms, $0.001200" in text
    assert "-> fast-b  (fast, m-fast)" in text
    assert "   fast-a  (fast, m-fast)  disabled by an operator" in text
    assert "deep $0.025000" in text
    assert "decided again from this record: the same" in text
    assert PROMPT not in text


async def test_a_request_that_could_not_be_read():
    runtime = runtime_of()
    runtime.gateway.rejected("openai", "r2", BadRequest("no"))
    assert "ended     refused, status 400 invalid_request" in await told(runtime, "r2")
