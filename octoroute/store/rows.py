"""Rows of the history as the SQL stores hold them: labels once in a table of their own, numbers in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from octoroute.domain.outcome import Ending
from octoroute.domain.sketch import DDSketch
from octoroute.store.base import Aggregate, HistoryRow, Labels, decode_attempts

LABELS = Labels.__struct_fields__
LABEL_COLUMNS = ", ".join(f'"{name}"' for name in LABELS)
"""Quoted, because some are words of SQL."""
ROW_COLUMNS = HistoryRow.__struct_fields__
LABELS_AT = ROW_COLUMNS.index("labels")
SUM_COLUMNS = (
    "requests", "attempts", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_nusd", "priced",
)  # fmt: skip

_NUMBER_BYTES = 4

Columns: TypeAlias = Sequence[tuple[Any, ...]]
"""Many rows by column, in the order of ROW_COLUMNS."""

_SKETCH = msgspec.msgpack.Decoder(tuple[float, dict[int, int]])


def unpack(values: Sequence[Any], labels: Labels) -> HistoryRow:
    seq, total, first_event, attempt_us, cost, _, prompt, completion, routing, cached, reasoning, queued, id, attempts = values
    return HistoryRow(
        *(seq, total, first_event, attempt_us, cost, labels, prompt, completion, routing),
        *(cached or 0, reasoning or 0, queued, id, attempts),
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


def columns_of(rows: Sequence[HistoryRow]) -> Columns:
    """There must be a row."""
    return list(zip(*map(msgspec.structs.astuple, rows), strict=True))


def add_rows(found: Aggregate, ending: str, columns: Columns) -> None:
    """Add requests that ended in the same way."""
    _, totals, firsts, attempts, costs, _, prompt, completion, _, cached, reasoning, _, _, lists = columns
    found.requests += len(totals)
    found.endings[ending] = found.endings.get(ending, 0) + len(totals)
    found.attempts += len(attempts) - attempts.count(None)
    if lists.count(None) < len(lists):
        found.attempts += sum(len(decode_attempts(text)) for text in lists if text is not None)
    found.input_tokens += sum(prompt)
    found.output_tokens += sum(completion)
    found.cached_tokens += sum(cached)
    found.reasoning_tokens += sum(reasoning)
    known = [cost for cost in costs if cost is not None]
    found.cost_nusd += sum(known)
    found.priced += len(known)
    if ending == Ending.ANSWERED:
        found.total.extend([total / 1e6 for total in totals])
        found.first_event.extend([first / 1e6 for first in firsts if first is not None])


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
