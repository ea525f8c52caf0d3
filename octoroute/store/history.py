"""From the outcome of a request to its entry in the history."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from octoroute.domain.decision import Decision
from octoroute.domain.outcome import Attempt, Outcome
from octoroute.domain.price import MICROS
from octoroute.domain.request import Request
from octoroute.store.base import NANO, SEQ_BITS, AttemptRow, HistoryEntry, HistoryRow, HistoryStore, Labels

RecordSource: TypeAlias = Callable[[Outcome, Request | None], Callable[[], bytes] | None]
"""Called on the event loop with each request's outcome; the result makes the decision record, later and maybe in another thread.

Until then the result is kept, so it must not hold the request's body. None: no record is kept of this request.
"""


class HistoryRecorder:
    """Appends each outcome to a store; an observer of the `OutcomeSink`."""

    def __init__(
        self,
        store: HistoryStore,
        *,
        reason: Callable[[Decision], str],
        wall: Callable[[], float],
        record: RecordSource | None = None,
    ) -> None:
        """`reason`: the bounded word for a decision's `why`. `record`: None: decision records are not kept."""
        self._store = store
        self._reason = reason
        self._wall = wall
        self._record = record
        self._nonce = int.from_bytes(os.urandom(2)) & ((1 << SEQ_BITS) - 1)
        self._last_us = 0

    def on_outcome(self, outcome: Outcome, request: Request | None) -> None:
        """Called on the event loop, with the outcome of each client's request."""
        at_us = self._last_us = max(int(self._wall() * 1e6), self._last_us + 1)
        record = None if self._record is None else self._record(outcome, request)
        self._store.append(partial(self._entry, outcome, at_us << SEQ_BITS | self._nonce, record))

    def _entry(self, outcome: Outcome, seq: int, record: Callable[[], bytes] | None) -> HistoryEntry:
        return HistoryEntry(row=row_of(outcome, seq, self._reason), record=None if record is None else record())


def row_of(outcome: Outcome, seq: int, reason: Callable[[Decision], str]) -> HistoryRow:
    usage = outcome.usage
    return HistoryRow(
        seq=seq,
        id=outcome.request_id,
        labels=labels_of(outcome, reason),
        total_us=micro(outcome.total_s),
        first_event_us=None if outcome.first_event_s is None else micro(outcome.first_event_s),
        routing_us=micro(outcome.routing_s),
        queued_us=None if outcome.queued_s is None else micro(outcome.queued_s),
        input_tokens=0 if usage is None else usage.input_tokens,
        output_tokens=0 if usage is None else usage.output_tokens,
        cached_tokens=0 if usage is None else usage.cached_tokens,
        reasoning_tokens=0 if usage is None else usage.reasoning_tokens,
        cost_nusd=nano(outcome.cost_micros),
        attempts=tuple(map(_attempt_row, outcome.attempts)),
    )


def labels_of(outcome: Outcome, reason: Callable[[Decision], str]) -> Labels:
    decision, attempts, usage = outcome.decision, outcome.attempts, outcome.usage
    endpoint = outcome.endpoint or (attempts[-1].endpoint if attempts else None)
    chosen = endpoint or decision
    return Labels(
        ending=str(outcome.ending),  # `value` costs ten times as much
        status=str(outcome.status),
        error=outcome.error or "",
        key=outcome.key_name or "",
        dialect=outcome.dialect,
        asked_for=str(outcome.asked_for),
        stream=outcome.stream,
        tier="" if chosen is None else str(chosen.tier),
        strategy="" if decision is None else decision.by,
        reason="" if decision is None else reason(decision),
        endpoint="" if endpoint is None else endpoint.id,
        model="" if endpoint is None else endpoint.name,
        provider="" if endpoint is None else endpoint.provider,
        cache=outcome.cache or "",
        cascade=outcome.cascade or "",
        check=outcome.check or "",
        estimated=usage is not None and usage.estimated,
    )


def _attempt_row(attempt: Attempt) -> AttemptRow:
    usage = attempt.usage
    return AttemptRow(
        endpoint=attempt.endpoint.id,
        took_us=micro(attempt.took_s),
        error=attempt.error,
        rejected=attempt.rejected,
        input_tokens=None if usage is None else usage.input_tokens,
        output_tokens=None if usage is None else usage.output_tokens,
        cost_nusd=nano(attempt.cost_micros),
    )


def micro(seconds: float) -> int:
    return int(seconds * 1e6 + 0.5)


def nano(micros: int | None) -> int | None:
    """Micro-dollars to billionths of a USD."""
    return None if micros is None else micros * (NANO // MICROS)
