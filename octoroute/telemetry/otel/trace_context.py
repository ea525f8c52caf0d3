"""W3C Trace Context (https://www.w3.org/TR/trace-context/): reading, writing, and new ids."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
MAX_STATE_CHARS = 512
_SAMPLED = 1


class TraceParent(NamedTuple):
    """The span that a request belongs to."""

    trace_id: int
    span_id: int
    sampled: bool
    state: str = ""
    """The `tracestate`, passed on as it came; empty: none."""

    @property
    def header(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{'01' if self.sampled else '00'}"


def read_parent(headers: Iterable[tuple[bytes, bytes]]) -> TraceParent | None:
    """The trace context of a request's headers, whose names are in lower case. None: there is none, or it is malformed."""
    parents: list[bytes] = []
    states: list[bytes] = []
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value)
        elif name == b"tracestate":
            states.append(value)
    if len(parents) != 1:
        return None
    found = _PARENT.fullmatch(parents[0].decode("latin-1").strip())
    if found is None:
        return None
    version, trace, span, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or not int(trace, 16) or not int(span, 16):
        return None
    state = b",".join(states).decode("latin-1").strip()
    state = state if len(state) <= MAX_STATE_CHARS and state.isprintable() and state.isascii() else ""
    return TraceParent(int(trace, 16), int(span, 16), bool(int(flags, 16) & _SAMPLED), state)


def new_trace_id() -> int:
    return int.from_bytes(os.urandom(16)) or 1


def new_span_id() -> int:
    return int.from_bytes(os.urandom(8)) or 1
