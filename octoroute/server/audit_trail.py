"""What the HTTP service writes to the audit log: every change that a route makes, and every refusal, within a limit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from octoroute.access.audit import AuditEvent, AuditLog
from octoroute.errors import Forbidden, OctorouteError, Unauthorized

MAX_REFUSALS_PER_MINUTE = 120
"""More are counted, and the number is in the next refusal that is written: a stranger cannot fill the disk."""
MAX_PATH_CHARS = 200

log = structlog.stdlib.get_logger("octoroute.audit")


class AuditTrail:
    def __init__(self, path: Path, wall: Callable[[], float]) -> None:
        """`wall`: seconds since the epoch."""
        self._log = AuditLog(path)
        self._wall = wall
        self._recent: deque[float] = deque()
        self._suppressed = 0
        self._writes: set[asyncio.Task[None]] = set()

    async def changed(self, actor: str, action: str, status: int, details: Mapping[str, str]) -> None:
        """Write a change, before its client has the response."""
        outcome = "done" if status < 400 else "failed"
        await self._write(AuditEvent(at=self._wall(), actor=actor, action=action, outcome=outcome, status=status, details=details))

    def refused(self, actor: str, method: str, path: str, error: OctorouteError) -> None:
        """Write a refusal in the background. Other errors are not refusals."""
        if not isinstance(error, Forbidden | Unauthorized):
            return
        now = self._wall()
        while self._recent and now - self._recent[0] >= 60.0:
            self._recent.popleft()
        if len(self._recent) >= MAX_REFUSALS_PER_MINUTE:
            self._suppressed += 1
            return
        self._recent.append(now)
        details = {"code": str(error.code), "reason": error.message}
        if self._suppressed:
            details["not_written_before"] = str(self._suppressed)
            self._suppressed = 0
        event = AuditEvent(
            at=now, actor=actor, action=f"{method} {path[:MAX_PATH_CHARS]}", outcome="refused", status=error.status, details=details
        )
        task = asyncio.get_running_loop().create_task(self._write(event))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def close(self) -> None:
        """Wait for what is being written."""
        await asyncio.gather(*self._writes, return_exceptions=True)

    async def _write(self, event: AuditEvent) -> None:
        try:
            await asyncio.to_thread(self._log.append, [event])
        except OSError as error:
            log.error("the audit log cannot be written", file=str(self._log.path), error=error.strerror, action=event.action)  # noqa: TRY400 - no traceback: the file is the cause
