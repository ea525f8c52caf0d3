"""The thread that writes the traffic log: it encodes records, rotates and compresses files, and removes old ones.

The event loop only puts records into a bounded queue. When the queue or the disk is full, records are dropped and counted; a
request never waits for the log and never fails because of it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import structlog

from octoroute.telemetry.traffic_log.record import TrafficRecord
from octoroute.telemetry.traffic_log.redaction import Redaction
from octoroute.telemetry.traffic_log.rotation import LogFile, pack, sweep

log = structlog.stdlib.get_logger("octoroute.traffic")

MAX_BATCH = 256
"""Records that are written together."""
MAX_IDLE_S = 60.0
"""Without records the thread checks this often whether a sweep is due."""
ERROR_INTERVAL_S = 60.0
"""At least this long between two log lines about the same disk."""


class TrafficLogSettings(msgspec.Struct, frozen=True, kw_only=True):
    directory: Path
    name: str = "traffic"
    max_body_bytes: int = 1048576
    """Logged of each body; 0: no bodies."""
    queue_bytes: int = 67108864
    """Memory of the records that wait to be written."""
    rotate: bool = True
    max_size_bytes: int = 50 * 1024 * 1024
    """Of a file; a larger one is rotated."""
    compress: bool = True
    compress_immediately: bool = True
    """False: at the next sweep."""
    keep: int = 10
    """Rotated files; 0: no limit."""
    max_age_s: float = 30 * 86400.0
    """Of rotated files; 0: no limit."""
    sweep_every_s: float = 86400.0


class TrafficLog:
    def __init__(
        self,
        settings: TrafficLogSettings,
        redaction: Redaction,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        dropped: Callable[[int], None],
        file: LogFile | None = None,
    ) -> None:
        """`dropped` is called with the number of lost records, from any thread. `wall`: seconds since the epoch."""
        self._settings = settings
        self._redaction = redaction
        self._clock = clock
        self._wall = wall
        self._dropped = dropped
        limit = settings.max_size_bytes if settings.rotate else None
        self.file = file or LogFile(settings.directory, settings.name, limit_bytes=limit, wall=wall)
        self._queue: queue.SimpleQueue[TrafficRecord | None] = queue.SimpleQueue()
        self._bytes_in = 0  # changed by the event loop's thread only
        self._bytes_out = 0  # changed by the log's thread only, so that neither needs a lock
        self._sweep_at = clock()
        self._no_error_until = 0.0
        self._thread: threading.Thread | None = None

    @property
    def max_body_bytes(self) -> int:
        return self._settings.max_body_bytes

    @property
    def pending_bytes(self) -> int:
        """Memory of the records in the queue."""
        return self._bytes_in - self._bytes_out

    def start(self, after: TrafficLog | None = None) -> None:
        """`after`: the log that this one replaces. It may still have lines for the same file, so its end is waited for."""
        self._thread = threading.Thread(target=self._run, args=(after,), name="traffic log", daemon=True)
        self._thread.start()

    def offer(self, record: TrafficRecord) -> None:
        """Never blocks: a record that does not fit into the queue is dropped."""
        if self.pending_bytes + record.cost > self._settings.queue_bytes:
            self._dropped(1)
            return
        self._bytes_in += record.cost
        self._queue.put(record)

    def finish(self) -> None:
        """Stop after the records in the queue are written. Returns at once; `join` waits."""
        self._queue.put(None)

    def join(self, timeout_s: float | None) -> bool:
        """Wait for the thread's end; `timeout_s` None: without limit. Returns whether it has ended."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def _run(self, before: TrafficLog | None) -> None:
        if before is not None:
            before.join(None)
        self.file.write(())  # an unusable directory is reported now, not with the first request
        if self.file.error is not None:
            self._report_error(str(self.file.error.strerror))
        running = True
        while running:
            batch, running = self._next_batch()
            try:
                self.write(batch)
                self.sweep_if_due()
            except Exception:
                log.exception("the traffic log failed; it goes on")
        self.file.close()

    def _next_batch(self) -> tuple[list[TrafficRecord], bool]:
        """At most `MAX_BATCH` records, and whether the thread goes on. Waits for the first record, until a sweep is due."""
        batch: list[TrafficRecord] = []
        wait_s = min(MAX_IDLE_S, max(0.0, self._sweep_at - self._clock()))
        try:
            while len(batch) < MAX_BATCH:
                item = self._queue.get(timeout=wait_s) if not batch else self._queue.get_nowait()
                if item is None:
                    return batch, False
                batch.append(item)
        except queue.Empty:
            pass
        return batch, True

    def write(self, batch: Sequence[TrafficRecord]) -> None:
        lines: list[bytes] = []
        for record in batch:
            self._bytes_out += record.cost
            try:
                lines.append(record.line(self._redaction))
            except Exception:
                log.exception("a line of the traffic log cannot be made", request_id=record.request_id)
                self._dropped(1)
        if not lines:
            return
        written = self.file.write(lines)
        if written < len(lines):
            self._dropped(len(lines) - written)
        if self.file.error is not None:
            self._report_error(str(self.file.error.strerror), dropped=len(lines) - written)
        self._compress_rotated()

    def _compress_rotated(self) -> None:
        """Compress the files that `write` has rotated, and remove those that are now too many."""
        rotated, self.file.rotated = self.file.rotated, []
        for path in rotated if self._settings.compress and self._settings.compress_immediately else ():
            try:
                ratio = pack(path)
            except OSError as error:
                self._report_error(str(error.strerror), file=str(path))
            else:
                log.info("log file packed", file=f"{path}.gz", times_smaller=round(ratio, 1))
        if rotated:
            self._sweep(compress=False)

    def sweep_if_due(self) -> None:
        """Sweeps at the first call, and then whenever the interval has passed."""
        now = self._clock()
        if now < self._sweep_at:
            return
        self._sweep_at = now + self._settings.sweep_every_s
        self._sweep(compress=self._settings.compress)

    def _sweep(self, *, compress: bool) -> None:
        settings = self._settings
        report = sweep(
            settings.directory,
            self.file.name,
            keep=settings.keep,
            max_age_s=settings.max_age_s,
            compress=compress,
            now=self._wall(),
        )
        if report.removed or report.packed or report.troubles:
            log.info("logs swept", removed=len(report.removed), packed=len(report.packed), troubles=list(report.troubles))

    def _report_error(self, reason: str, **more: object) -> None:
        now = self._clock()
        if now >= self._no_error_until:
            self._no_error_until = now + ERROR_INTERVAL_S
            log.error("the traffic log cannot be written", directory=str(self._settings.directory), reason=reason, **more)
