"""One request in the traffic log: its head, the beginnings of both bodies, and its outcome.

The event loop only collects references; the log's thread makes the line of JSON.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from octoroute.domain.outcome import Outcome
from octoroute.telemetry.access_log import access_log_fields
from octoroute.telemetry.traffic_log.redaction import LONGEST_SECRET, Redaction


class BoundedBody:
    """The first bytes of a body, and the length of all of it.

    `LONGEST_SECRET` bytes more than `limit` are held, so that a secret that the limit cuts through is still recognised.
    """

    __slots__ = ("_chunks", "_max_held", "held", "size")

    def __init__(self, limit: int) -> None:
        """`limit` 0: no byte is held."""
        self._max_held = limit + LONGEST_SECRET if limit else 0
        self._chunks: list[bytes] = []
        self.held = 0
        """Bytes in memory."""
        self.size = 0

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.held < self._max_held:
            part = chunk[: self._max_held - self.held]
            self._chunks.append(part)
            self.held += len(part)

    def bytes(self) -> bytes:
        return b"".join(self._chunks)


class TrafficRecord:
    __slots__ = (
        "at",
        "headers",
        "max_body_bytes",
        "method",
        "outcome",
        "path",
        "request_body",
        "request_id",
        "response_body",
        "status",
    )

    def __init__(self, method: str, path: str, headers: list[tuple[bytes, bytes]], max_body_bytes: int, at: float) -> None:
        """`headers`: of the request. `at`: seconds since the epoch."""
        self.method = method
        self.path = path
        self.headers = headers
        self.max_body_bytes = max_body_bytes
        self.at = at
        self.request_body = BoundedBody(max_body_bytes)
        self.response_body = BoundedBody(max_body_bytes)
        self.status: int | None = None
        """None: the client disconnected before a response began."""
        self.request_id = ""
        self.outcome: Outcome | None = None
        """None: the request was rejected before it had one."""

    @property
    def cost(self) -> int:
        """Approximate bytes of memory."""
        return 2048 + self.request_body.held + self.response_body.held

    def line(self, redaction: Redaction) -> bytes:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "request_id": self.request_id,
            "method": self.method,
            "path": self.path,
            "ending": _ending(self.status),
        }
        if self.outcome is not None:
            fields |= access_log_fields(self.outcome)
        fields["status"] = self.status
        fields["request"] = {"headers": redaction.headers(self.headers), **self._request_fields(redaction)}
        fields["response"] = self._body_fields(self.response_body, redaction)
        return msgspec.json.encode(fields) + b"\n"

    def _request_fields(self, redaction: Redaction) -> dict[str, Any]:
        """Of a body in a content coding only the length: no secret can be recognised in it."""
        if any(name == b"content-encoding" and value.lower() != b"identity" for name, value in self.headers):
            return {"bytes": self.request_body.size}
        return self._body_fields(self.request_body, redaction)

    def _body_fields(self, body: BoundedBody, redaction: Redaction) -> dict[str, Any]:
        fields: dict[str, Any] = {"bytes": body.size}
        if self.max_body_bytes and body.size:
            fields["body"] = redaction.body(body.bytes(), self.max_body_bytes)
            if body.size > self.max_body_bytes:
                fields["cut"] = True
        return fields


def _ending(status: int | None) -> str:
    """The ending of a request without an outcome, by the status of its response."""
    if status is None:
        return "abandoned"
    return "refused" if status < 500 else "failed"
