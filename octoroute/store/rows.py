"""Rows of the history as the SQL stores hold them: labels once in a table of their own, numbers in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from octoroute.domain.sketch import DDSketch
from octoroute.store.base import Aggregate, AttemptRow, HistoryRow, Labels

LABELS = Labels.__struct_fields__
LABEL_COLUMNS = ", ".join(f'"{name}"' for name in LABELS)
"""Quoted, because some are words of SQL."""
ROW_COLUMNS = (
    "seq", "total_us", "first_event_us", "attempt_us", "cost_nusd", "labels", "input_tokens", "output_tokens", "routing_us",
    "cached_tokens", "reasoning_tokens", "queued_us", "id", "attempt_list",
)  # fmt: skip
SUM_COLUMNS = (
    "requests", "attempts", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_nusd", "priced",
)  # fmt: skip
_MAX_INTEGER = 2**31 - 1
"""Of the columns that hold tokens in four bytes."""

_NUMBER_BYTES = 4

_ATTEMPTS = msgspec.json.Decoder(tuple[AttemptRow, ...])
_SKETCH = msgspec.msgpack.Decoder(tuple[float, dict[int, int]])


def pack(row: HistoryRow, labels: int) -> tuple[object, ...]:
    """The values of ROW_COLUMNS. `labels`: the number of the row's labels.

    `attempt_list` is None if there was one attempt that the other columns describe: its first event came after `attempt_us`.
    """
    attempts, attempt_us = row.attempts, None
    if len(attempts) == 1 and _is_plain(attempts[0], row):
        attempts, attempt_us = (), attempts[0].took_us
    prompt, completion, cached, reasoning = row.input_tokens, row.output_tokens, row.cached_tokens, row.reasoning_tokens
    routing_us = row.routing_us
    if not 0 <= prompt | completion | cached | reasoning | routing_us <= _MAX_INTEGER:  # in one step: it is hardly ever true
        prompt, completion, cached = min(prompt, _MAX_INTEGER), min(completion, _MAX_INTEGER), min(cached, _MAX_INTEGER)
        reasoning, routing_us = min(reasoning, _MAX_INTEGER), min(routing_us, _MAX_INTEGER)
    return (
        row.seq,
        row.total_us,
        row.first_event_us,
        attempt_us,
        row.cost_nusd,
        labels,
        prompt,
        completion,
        routing_us,
        cached or None,
        reasoning or None,
        row.queued_us,
        row.id,
        msgspec.json.encode(attempts).decode() if attempts else None,
    )


def unpack(values: Sequence[Any], labels: Labels) -> HistoryRow:
    seq, total, first_event, attempt_us, cost, _, prompt, completion, routing, cached, reasoning, queued, id, attempts = values
    return HistoryRow(
        seq=seq,
        id=id,
        labels=labels,
        total_us=total,
        first_event_us=first_event,
        routing_us=routing,
        queued_us=queued,
        input_tokens=prompt,
        output_tokens=completion,
        cached_tokens=cached or 0,
        reasoning_tokens=reasoning or 0,
        cost_nusd=cost,
        attempts=_attempts(attempts, attempt_us, labels, (prompt, completion) if prompt or completion else None, cost),
    )


def _is_plain(attempt: AttemptRow, row: HistoryRow) -> bool:
    if attempt.error is not None or attempt.rejected is not None or attempt.cost_nusd != row.cost_nusd:
        return False
    if row.input_tokens or row.output_tokens:
        tokens = attempt.input_tokens == row.input_tokens and attempt.output_tokens == row.output_tokens
    else:
        tokens = attempt.input_tokens is None and attempt.output_tokens is None
    return tokens and attempt.endpoint == row.labels.endpoint


def _attempts(
    attempts: str | None, attempt_us: int | None, labels: Labels, tokens: tuple[int, int] | None, cost_nusd: int | None
) -> tuple[AttemptRow, ...]:
    if attempts is not None:
        return _ATTEMPTS.decode(attempts)
    if attempt_us is None:
        return ()
    prompt, completion = tokens or (None, None)
    return (
        AttemptRow(
            endpoint=labels.endpoint, took_us=attempt_us, input_tokens=prompt, output_tokens=completion, cost_nusd=cost_nusd
        ),
    )


def label_values(labels: Labels) -> tuple[object, ...]:
    """The values of LABEL_COLUMNS; those that are true or false as 1 or 0."""
    return tuple(int(value) if isinstance(value, bool) else value for value in msgspec.structs.astuple(labels))


def labels_from(values: Sequence[Any]) -> Labels:
    return msgspec.convert(dict(zip(LABELS, values, strict=True)), Labels, strict=False)


def pack_number(number: int) -> bytes:
    """Of the settings that a decision record refers to."""
    return number.to_bytes(_NUMBER_BYTES, "big")


def unpack_record(data: bytes) -> tuple[int, bytes]:
    """(number of the settings, record)."""
    return int.from_bytes(data[:_NUMBER_BYTES], "big"), data[_NUMBER_BYTES:]


def pack_sketch(sketch: DDSketch) -> bytes:
    return msgspec.msgpack.encode((sketch.sum_s, dict(sketch.buckets)))


def merge_packed(sketch: DDSketch, data: bytes) -> None:
    """Add a sketch that `pack_sketch` has written."""
    sum_s, buckets = _SKETCH.decode(data)
    sketch.merge_buckets(buckets, sum_s)


def add_sums(found: Aggregate, values: Sequence[int], total: bytes, first_event: bytes, ending: str) -> None:
    """Add the row of an hour to an aggregate. `values`: of SUM_COLUMNS."""
    requests, attempts, prompt, completion, cached, reasoning, cost, priced = values
    found.requests += requests
    found.attempts += attempts
    found.input_tokens += prompt
    found.output_tokens += completion
    found.cached_tokens += cached
    found.reasoning_tokens += reasoning
    found.cost_nusd += cost
    found.priced += priced
    found.endings[ending] = found.endings.get(ending, 0) + requests
    merge_packed(found.total, total)
    merge_packed(found.first_event, first_event)
