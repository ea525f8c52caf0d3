"""Entries of a history, of requests that differ in what is told; and responses that clients store."""

from __future__ import annotations

import json

from octoroute.domain.stored_response import StoredResponse
from octoroute.store.base import SEQ_BITS, Body, HistoryEntry, HistoryRow, Labels, encode_attempts

START_S = 1_800_000_000
"""When the history of tests begins: 2027-01-15 08:00 UTC, a whole hour."""


def entry(
    at_s: float = START_S,
    id: str = "r",
    *,
    nonce: int = 0,
    record: bytes | None = None,
    settings: bytes | None = None,
    body: Body | None = None,
    **more,
) -> HistoryEntry:
    """`more`: fields of the row or of its labels."""
    labels = {
        "ending": "answered",
        "status": "200",
        "tier": "fast",
        "endpoint": "a",
        "model": "small",
        "key": "team",
        "reason": "length",
    }
    labels |= {name: value for name, value in more.items() if name in Labels.__struct_fields__}
    row = {
        "total_us": 200_000,
        "first_event_us": 100_000,
        "input_tokens": 10,
        "output_tokens": 5,
        "attempt_us": 90_000,
        "attempt_list": None,
        "routing_us": 0,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
        "queued_us": None,
        "cost_nusd": None,
    }
    row |= {name: value for name, value in more.items() if name in HistoryRow.__struct_fields__}
    if "attempts" in more:
        row |= {"attempt_us": None, "attempt_list": encode_attempts(more["attempts"])}
    seq = int(at_s * 1e6) << SEQ_BITS | nonce
    return HistoryEntry(row=HistoryRow(seq=seq, id=id, labels=Labels(**labels), **row), record=record, settings=settings, body=body)


def add(store, *entries: HistoryEntry) -> None:
    for one in entries:
        store.append(lambda one=one: one)


def turn(id: str, previous: str | None = None, owner: str = "ann", size: int = 0, items: tuple[str, ...] = ()) -> StoredResponse:
    body = json.dumps({"id": id, "output": [{"id": item} for item in items], "pad": "x" * size}).encode()
    return StoredResponse(id=id, owner=owner, previous=previous, input=b"[]", body=body)
