"""One request as the traffic log sees it: the bytes that came in and went out, and how it ended.

Collected on the event loop by keeping references; made into a line of JSON elsewhere.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from octoroute.domain.outcome import Outcome
from octoroute.telemetry.access_log import access_log_fields
from octoroute.telemetry.traffic_log.redaction import LONGEST_SECRET, Redaction


class BoundedBody:
    """The beginning of a body, and its whole length."""

    __slots__ = ("_limit", "_pieces", "kept", "size")

    def __init__(self, limit: int) -> None:
        self._limit = limit + LONGEST_SECRET if limit else 0
        self._pieces: list[bytes] = []
        self.kept = 0
        self.size = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.kept < self._limit:
            taken = piece[: self._limit - self.kept]
            self._pieces.append(taken)
            self.kept += len(taken)

    def bytes(self) -> bytes:
        return b"".join(self._pieces)


class TrafficRecord:
    __slots__ = ("answer", "at", "headers", "limit", "method", "outcome", "path", "question", "request_id", "status")

    def __init__(self, method: str, path: str, headers: list[tuple[bytes, bytes]], limit: int, at: float) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.limit = limit
        self.at = at
        """Seconds since the epoch."""
        self.question = BoundedBody(limit)
        self.answer = BoundedBody(limit)
        self.status: int | None = None
        self.request_id = ""
        self.outcome: Outcome | None = None

    @property
    def cost(self) -> int:
        """Bytes of memory, about."""
        return 2048 + self.question.kept + self.answer.kept

    def line(self, redaction: Redaction) -> bytes:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "request_id": self.request_id,
            "method": self.method,
            "path": self.path,
            "ending": _ending(self.status),
        }
        if self.outcome is not None:
            told |= access_log_fields(self.outcome)
        told["status"] = self.status
        told["request"] = {"headers": redaction.headers(self.headers), **self._body(self.question, redaction)}
        told["response"] = self._body(self.answer, redaction)
        return msgspec.json.encode(told) + b"\n"

    def _body(self, heard: BoundedBody, redaction: Redaction) -> dict[str, Any]:
        told: dict[str, Any] = {"bytes": heard.size}
        if self.limit and heard.size:
            told["body"] = redaction.body(heard.bytes(), self.limit)
            if heard.size > self.limit:
                told["cut"] = True
        return told


def _ending(status: int | None) -> str:
    """Of a request that was refused before anybody was asked."""
    if status is None:
        return "abandoned"
    return "refused" if status < 500 else "failed"
