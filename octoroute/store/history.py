"""From the outcome of a request to its entry in the history."""

from __future__ import annotations

import os
from collections.abc import Callable
from math import floor
from typing import TypeAlias

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Attempt, Outcome
from octoroute.domain.price import MICROS
from octoroute.domain.request import Request
from octoroute.store.base import NANO, SEQ_BITS, AttemptRow, EntrySink, HistoryEntry, HistoryRow, Labels, encode_attempts

RecordParts: TypeAlias = tuple[bytes, bytes]
"""`HistoryEntry.record` and `HistoryEntry.settings`."""
RecordSource: TypeAlias = Callable[[Outcome], RecordParts | None]
"""Makes the decision record of a request when its entry is made, later and maybe in another thread. None: none is kept of it."""

MAX_CACHED_LABELS = 1000
MAX_INTEGER = 2**31 - 1
"""Of what the SQL stores hold in four bytes: tokens, and the time of routing."""
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

    def on_outcome(self, outcome: Outcome, request: Request | None) -> None:  # noqa: ARG002 - an OutcomeCallback
        """Called on the event loop, with the outcome of each client's request."""
        at_us = int(self._wall() * 1e6)
        if at_us <= self._last_us:
            at_us = self._last_us + 1
        self._last_us = at_us
        self._append(self._entry, outcome, at_us << SEQ_BITS | self._nonce)

    def _entry(self, outcome: Outcome, seq: int) -> HistoryEntry:
        row, record = row_of(outcome, seq, self._labels.of(outcome)), self._record
        parts = None if record is None else record(outcome)
        return HistoryEntry(row) if parts is None else HistoryEntry(row, parts[0], parts[1])


def row_of(outcome: Outcome, seq: int, labels: Labels) -> HistoryRow:
    attempts, usage = outcome.attempts, outcome.usage
    attempt_us = attempt_list = None
    if len(attempts) == 1 and _is_plain(attempts[0], outcome):
        attempt_us = floor(attempts[0].took_s * 1e6 + 0.5)
    elif attempts:
        attempt_list = encode_attempts([_attempt_row(attempt) for attempt in attempts])
    prompt = completion = cached = reasoning = 0
    if usage is not None:
        prompt, completion, cached, reasoning = usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens
    routing_us = floor(outcome.routing_s * 1e6 + 0.5)  # `int` takes twice as long
    if not 0 <= prompt | completion | cached | reasoning | routing_us <= MAX_INTEGER:  # in one step: it is hardly ever true
        prompt, completion, routing_us = min(prompt, MAX_INTEGER), min(completion, MAX_INTEGER), min(routing_us, MAX_INTEGER)
        cached, reasoning = min(cached, MAX_INTEGER), min(reasoning, MAX_INTEGER)
    first_event_s, queued_s, cost_micros = outcome.first_event_s, outcome.queued_s, outcome.cost_micros
    return HistoryRow(
        seq,
        floor(outcome.total_s * 1e6 + 0.5),
        None if first_event_s is None else floor(first_event_s * 1e6 + 0.5),
        attempt_us,
        None if cost_micros is None else cost_micros * _NANO_PER_MICRO,
        labels,
        prompt,
        completion,
        routing_us,
        cached,
        reasoning,
        None if queued_s is None else floor(queued_s * 1e6 + 0.5),
        outcome.request_id,
        attempt_list,
    )


def _is_plain(attempt: Attempt, outcome: Outcome) -> bool:
    """The columns of the row tell all of the only attempt."""
    usage = attempt.usage
    return (
        attempt.error is None
        and attempt.rejected is None
        and attempt.endpoint is outcome.endpoint
        and usage is outcome.usage
        and (usage is None or usage.input_tokens + usage.output_tokens > 0)
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
            why,
            tier,
            by,
            id(endpoint),
            outcome.ending,
            outcome.status,
            outcome.error,
            outcome.key_name,
            outcome.dialect,
            outcome.asked_for,
            outcome.stream,
            outcome.cache,
            outcome.cascade,
            outcome.check,
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
        took_us=floor(attempt.took_s * 1e6 + 0.5),
        error=attempt.error,
        rejected=attempt.rejected,
        input_tokens=None if usage is None else usage.input_tokens,
        output_tokens=None if usage is None else usage.output_tokens,
        cost_nusd=None if cost_micros is None else cost_micros * _NANO_PER_MICRO,
    )
