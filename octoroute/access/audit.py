"""The audit log: who changed what, and who was refused what. A file of JSON lines that is only appended to, as a chain of hashes.

Each line has the hash of the one before it, so that a line that is changed, removed, or put in is found. Lines that are cut off at
the end are found by a hash that was noted elsewhere (`verify`'s `head`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

START = "0" * 64
"""The hash before the first line."""
MAX_TEXT_CHARS = 500
_TAIL_BYTES = 64 * 1024
"""The last line is looked for in so many bytes: lines are far shorter."""


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True):
    at: float
    """Seconds since the epoch."""
    actor: str
    """The name of a key; `cli:USER` for the command line; "" if no valid key was sent."""
    action: str
    """What was asked for: method and route, or a command."""
    outcome: str
    """done, failed, or refused."""
    status: int = 0
    """The HTTP status; 0: none."""
    details: Mapping[str, str] = {}


class AuditLine(msgspec.Struct, kw_only=True):
    """One line of the file. `hash` is the SHA-256 of the line with an empty `hash`."""

    seq: int
    at: str
    actor: str
    action: str
    outcome: str
    status: int
    details: dict[str, str]
    previous: str
    hash: str = ""

    def digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, hash=""), order="sorted")).hexdigest()


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    lines: int
    head: str
    """The hash of the last line that is right."""
    problem: str | None
    """Names the first line that is wrong, and why; None: none is."""


_LINE = msgspec.json.Decoder(AuditLine)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a line that was changed may raise."""


class AuditLog:
    """Appends to the file; several processes may do so at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, events: Iterable[AuditEvent]) -> None:
        """Write the events, on disk when this returns. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read(_TAIL_BYTES)
            last = _last_line(tail)
            lines = [] if not tail or tail.endswith(b"\n") else [b""]  # a line that was cut off stays, and is found
            for event in events:
                last = _next(last, event)
                lines.append(msgspec.json.encode(last))
            file.write(b"\n".join([*lines, b""]))
            os.fdatasync(file.fileno())


def _last_line(tail: bytes) -> AuditLine | None:
    for line in reversed(tail.splitlines()):
        try:
            return _LINE.decode(line)
        except _UNREADABLE:
            continue
    return None


def _next(last: AuditLine | None, event: AuditEvent) -> AuditLine:
    line = AuditLine(
        seq=1 if last is None else last.seq + 1,
        at=datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds"),
        actor=_short(event.actor),
        action=_short(event.action),
        outcome=event.outcome,
        status=event.status,
        details={_short(name): _short(text) for name, text in event.details.items()},
        previous=START if last is None else last.hash,
    )
    line.hash = line.digest()
    return line


def _short(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:MAX_TEXT_CHARS]


def verify(path: Path, head: str | None = None) -> Verification:
    """Check the chain from the first line on. `head`: a hash that must be in it. Raises OSError if the file cannot be read."""
    count, before, found = 0, START, head is None
    problem: str | None = None
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            problem = _problem(raw, number, before)
            if problem is not None:
                break
            before = _LINE.decode(raw).hash
            count = number
            found = found or before == head
    if problem is None and not found:
        problem = f"the hash {head} is not in the file: lines were cut off, or it is another file"
    return Verification(lines=count, head=before, problem=problem)


def _problem(raw: bytes, number: int, before: str) -> str | None:
    try:
        line = _LINE.decode(raw)
    except _UNREADABLE:
        return f"line {number} is not a line of the audit log"
    if not raw.endswith(b"\n"):
        return f"line {number} was cut off"
    if line.previous != before or line.seq != number:
        return f"line {number} does not follow the line before it: a line was removed, put in, or moved"
    if line.hash != line.digest() or msgspec.json.encode(line) + b"\n" != raw:
        return f"line {number} was changed"
    return None
