"""From an outcome to its row: nothing of the prompt, whole numbers, and one number for each request."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.outcome import Attempt, Ending, Usage
from octoroute.domain.price import Price
from octoroute.store.base import AttemptRow, Labels
from octoroute.store.history import HistoryRecorder, LabelCache, labels_of, row_of
from octoroute.store.memory import MemoryHistory
from tests.support.outcomes import ENDPOINTS, OUTCOMES, outcome
from tests.support.parts import endpoint


def reason(decision: Decision) -> str:
    return decision.why


def test_a_row_has_the_labels_the_times_and_the_cost():
    priced = endpoint("b", tier=Tier.DEEP, price=Price(input=1, output=2))
    made = outcome(
        request_id="req_1",
        key_name="team",
        decision=Decision(tier=Tier.FAST, by="rule", why="length"),
        attempts=(
            Attempt(endpoint=ENDPOINTS[0], took_s=0.25, error="upstream_failed"),
            Attempt(endpoint=priced, took_s=0.1, usage=Usage(input_tokens=3, output_tokens=4)),
        ),
        endpoint=priced,
        usage=Usage(input_tokens=3, output_tokens=4, cached_tokens=1),
        cost_micros=11,
        routing_s=0.000_04,
    )
    row = row_of(made, 7, labels_of(made, reason))
    assert row.labels == Labels(
        ending="answered",
        status="200",
        key="team",
        dialect="openai",
        asked_for="auto",
        tier="deep",
        strategy="rule",
        reason="length",
        endpoint="b",
        model=priced.name,
        provider=priced.provider,
    )
    assert (row.seq, row.id, row.total_us, row.first_event_us, row.routing_us, row.queued_us) == (
        7,
        "req_1",
        200_000,
        100_000,
        40,
        None,
    )
    assert (row.input_tokens, row.output_tokens, row.cached_tokens, row.cost_nusd) == (3, 4, 1, 11_000)
    assert row.attempts == (
        AttemptRow(endpoint="a", took_us=250_000, error="upstream_failed"),
        AttemptRow(endpoint="b", took_us=100_000, input_tokens=3, output_tokens=4, cost_nusd=11_000),
    )


@given(made=OUTCOMES)
def test_every_outcome_has_a_row(made):
    row = row_of(made, 1, labels_of(made, reason))
    assert row.labels.ending in {ending.value for ending in Ending}
    assert len(row.attempts) == len(made.attempts)


async def test_requests_of_the_same_moment_have_numbers_of_their_own():
    store = MemoryHistory()
    recorder = HistoryRecorder(store, reason=reason, wall=lambda: 5.0, record=lambda outcome: (b"why", b"settings"))
    for id in "abc":
        recorder.on_outcome(outcome(request_id=id), None)
    found = [await store.get(id) for id in "abc"]
    assert len({one.row.seq for one in found}) == 3
    assert [one.row.at_us for one in found] == [5_000_000, 5_000_001, 5_000_002]
    assert {one.record for one in found} == {b"why"}


def test_one_plain_attempt_needs_no_list():
    def lists(*attempts):
        made = outcome(attempts=attempts, endpoint=ENDPOINTS[0])
        return row_of(made, 1, labels_of(made, reason)).attempt_list

    plain = Attempt(endpoint=ENDPOINTS[0], took_s=0.1)
    assert lists() is lists(plain) is None
    assert lists(plain, plain) is not None
    assert lists(Attempt(endpoint=ENDPOINTS[0], took_s=0.1, error="timeout")) is not None
    assert lists(Attempt(endpoint=ENDPOINTS[1], took_s=0.1)) is not None


@given(several=st.lists(OUTCOMES, min_size=2, max_size=4))
def test_labels_are_remembered_and_remain_those_of_their_outcome(several):
    cache = LabelCache(reason)
    assert [cache.of(one) for one in several * 2] == [labels_of(one, reason) for one in several * 2]
    assert all(cache.of(one) is cache.of(msgspec.structs.replace(one, request_id="other")) for one in several)
