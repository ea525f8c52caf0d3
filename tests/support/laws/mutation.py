"""Inputs changed a little, by chance of a seed: as bytes, and as the JSON that they are, which stays JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from random import Random
from typing import Any

_DATA = re.compile(rb"(?<=data: ).*")
_SPELLED: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1e300,
    2**63,
    2**64,
    "",
    " ",
    "x" * 70,
    "漢\u2028",
    "\x00",
    [],
    {},
    [[]],
    [None],
    {"": None},
)


def mutated(data: bytes, rng: Random, words: Sequence[bytes], other: bytes) -> bytes:
    """`other`: another input, parts of which may come in."""
    for _ in range(rng.randrange(1, 4)):
        changed = as_json(data, rng, other) if rng.random() < 0.6 else None
        data = _as_bytes(data, rng, words, other) if changed is None else changed
    return data


def as_json(data: bytes, rng: Random, other: bytes) -> bytes | None:
    """None when there is no JSON in it: behind the first byte, or in an event of a stream."""
    found = _json_in(data, rng)
    if found is None:
        return None
    start, end, tree = found
    there = _json_in(other, rng)
    try:
        changed = _changed(tree, rng, list(_within(there[2])) if there else ())
        text = json.dumps(changed, ensure_ascii=rng.random() < 0.5, separators=(",", ":"))
    except RecursionError:
        return None
    return data[:start] + text.encode("utf-8", "replace") + data[end:]


def _json_in(data: bytes, rng: Random) -> tuple[int, int, Any] | None:
    events = [match.span() for match in _DATA.finditer(data)]
    start, end = rng.choice(events) if events else (1, len(data))
    try:
        return start, end, json.loads(data[start:end])
    except (ValueError, RecursionError):
        return None


def _within(tree: Any) -> Iterator[Any]:
    yield tree
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _within(value)


def _changed(tree: Any, rng: Random, donors: Sequence[Any]) -> Any:
    """One place in it."""
    boxes = [box for box in _within(tree) if isinstance(box, dict | list) and box]
    if not boxes:
        return deepcopy(rng.choice(donors or _SPELLED))
    box = rng.choice(boxes)
    key = rng.choice(list(box)) if isinstance(box, dict) else rng.randrange(len(box))
    match rng.randrange(7):
        case 0:
            del box[key]
        case 1:
            box[key] = deepcopy(rng.choice(_SPELLED))
        case 2 if donors:
            box[key] = deepcopy(rng.choice(donors))
        case 3:
            box[key] = deepcopy(rng.choice(list(_within(tree))))
        case 4 if isinstance(box, list):
            box.insert(key, deepcopy(box[key]))
        case 5 if isinstance(box, dict):
            box[rng.choice([name for one in boxes if isinstance(one, dict) for name in one])] = deepcopy(box[key])
        case _:
            box[key] = [box[key]] if rng.random() < 0.5 else str(box[key])
    return tree


def _as_bytes(data: bytes, rng: Random, words: Sequence[bytes], other: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    match rng.randrange(4):
        case 0:
            return data[:at] + data[at + rng.randrange(1, 40) :]
        case 1 if words:
            return data[:at] + rng.choice(words) + data[at:]
        case 2 if other:
            start = rng.randrange(len(other))
            return data[:at] + other[start : start + rng.randrange(1, 100)] + data[at:]
        case _:
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
