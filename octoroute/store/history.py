"""From the outcome of a request to its entry in the history."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Attempt, Outcome, Usage
from octoroute.domain.price import MICROS
from octoroute.domain.request import Request
from octoroute.store.base import NANO, SEQ_BITS, AttemptRow, EntrySink, HistoryEntry, HistoryRow, Labels

RecordParts: TypeAlias = tuple[bytes, bytes]
"""`HistoryEntry.record` and `HistoryEntry.settings`."""
RecordSource: TypeAlias = Callable[[Outcome, Request | None], Callable[[], RecordParts] | None]
"""Called on the event loop with each request's outcome; the result makes the decision record, later and maybe in another thread.

Until then the result is kept, so it must not hold the request's body. None: no record is kept of this request.
"""

MAX_CACHED_LABELS = 1000
_NO_USAGE = Usage()
_NANO_PER_MICRO = NANO // MICROS


class HistoryRecorder:
    """Appends each outcome to a store; an observer of the `OutcomeSink`."""

    def __init__(
        self,
        store: EntrySink,
        *,
        reason: Callable[[Decision], str],
        wall: Callable[[], float],
        record: RecordSource | None = None,
    ) -> None:
        """`reason`: the bounded word for a decision's `why`. `record`: None: decision records are not kept."""
        self._append = store.append
        self._labels = LabelCache(reason)
        self._wall = wall
        self._record = record
        self._nonce = int.from_bytes(os.urandom(2)) & ((1 << SEQ_BITS) - 1)
        self._last_us = 0

    def append_to(self, sink: EntrySink) -> None:
        """From the next outcome on, instead of the store."""
        self._append = sink.append

    def on_outcome(self, outcome: Outcome, request: Request | None) -> None:
        """Called on the event loop, with the outcome of each client's request."""
        at_us = int(self._wall() * 1e6)
        if at_us <= self._last_us:
            at_us = self._last_us + 1
        self._last_us = at_us
        record = None if self._record is None else self._record(outcome, request)
        self._append(partial(self._entry, outcome, at_us << SEQ_BITS | self._nonce, record))

    def _entry(self, outcome: Outcome, seq: int, record: Callable[[], RecordParts] | None) -> HistoryEntry:
        row = row_of(outcome, seq, self._labels.of(outcome))
        if record is None:
            return HistoryEntry(row)
        encoded, settings = record()
        return HistoryEntry(row, encoded, settings)


def row_of(outcome: Outcome, seq: int, labels: Labels) -> HistoryRow:
    usage, first_event_s, queued_s, cost_micros = (
        outcome.usage or _NO_USAGE,
        outcome.first_event_s,
        outcome.queued_s,
        outcome.cost_micros,
    )
    return HistoryRow(
        seq=seq,
        id=outcome.request_id,
        labels=labels,
        total_us=int(outcome.total_s * 1e6 + 0.5),
        first_event_us=None if first_event_s is None else int(first_event_s * 1e6 + 0.5),
        routing_us=int(outcome.routing_s * 1e6 + 0.5),
        queued_us=None if queued_s is None else int(queued_s * 1e6 + 0.5),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost_nusd=None if cost_micros is None else cost_micros * _NANO_PER_MICRO,
        attempts=tuple([_attempt_row(attempt) for attempt in outcome.attempts]),
    )


class LabelCache:
    """The same `Labels` for outcomes that have them in common: to make them costs more than the rest of a row."""

    def __init__(self, reason: Callable[[Decision], str]) -> None:
        self._reason = reason
        self._known: dict[tuple[object, ...], tuple[Labels, Endpoint | None]] = {}
        """Holds the endpoint, whose `id()` is part of the key."""

    def of(self, outcome: Outcome) -> Labels:
        decision, attempts, usage = outcome.decision, outcome.attempts, outcome.usage
        endpoint = outcome.endpoint or (attempts[-1].endpoint if attempts else None)
        if decision is None:
            why = tier = by = None
        else:
            tier, by = decision.tier, decision.by
            why = decision.why if by == "client" and decision.rule is None else self._reason(decision)
        key = (
            *(why, tier, by, id(endpoint), outcome.ending, outcome.status, outcome.error, outcome.key_name, outcome.dialect),
            *(outcome.asked_for, outcome.stream, outcome.cache, outcome.cascade, outcome.check),
            usage is not None and usage.estimated,
        )
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MAX_CACHED_LABELS:
                self._known.clear()
            known = self._known[key] = labels_of(outcome, self._reason), endpoint
        return known[0]


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
    usage, cost_micros = attempt.usage, attempt.cost_micros
    return AttemptRow(
        endpoint=attempt.endpoint.id,
        took_us=int(attempt.took_s * 1e6 + 0.5),
        error=attempt.error,
        rejected=attempt.rejected,
        input_tokens=None if usage is None else usage.input_tokens,
        output_tokens=None if usage is None else usage.output_tokens,
        cost_nusd=None if cost_micros is None else cost_micros * _NANO_PER_MICRO,
    )
