"""The one thread that writes the traffic log: makes the lines, puts files aside, packs them, and sweeps.

Requests only offer: a queue that is full drops, and counts what it dropped. A disk that is slow or full costs lines, not answers.
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

BATCH = 256
LOOK_AT_CLOCK_S = 60.0
QUIET_S = 60.0
"""Between two complaints about the same disk."""


class TrafficLogSettings(msgspec.Struct, frozen=True, kw_only=True):
    directory: Path
    name: str = "traffic"
    max_body_bytes: int = 1048576
    queue_bytes: int = 67108864
    rotate: bool = True
    max_size_bytes: int = 50 * 1024 * 1024
    compress: bool = True
    compress_immediately: bool = True
    keep: int = 10
    """0: all."""
    max_age_s: float = 30 * 86400.0
    """0: for ever."""
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
        """`dropped` is told how many lines were lost, from any thread."""
        self.max_body_bytes = settings.max_body_bytes
        self._settings = settings
        self._redaction = redaction
        self._clock = clock
        self._wall = wall
        self._dropped = dropped
        limit = settings.max_size_bytes if settings.rotate else None
        self.file = file or LogFile(settings.directory, settings.name, limit_bytes=limit, wall=wall)
        self._queue: queue.SimpleQueue[TrafficRecord | None] = queue.SimpleQueue()
        self._offered = 0  # written by the loop's thread only
        self._taken = 0  # written by our thread only: their difference needs no lock
        self._sweep_at = clock()
        self._quiet_until = 0.0
        self._thread: threading.Thread | None = None

    @property
    def waiting_bytes(self) -> int:
        return self._offered - self._taken

    def start(self, after: TrafficLog | None = None) -> None:
        """`after`: the log before us, which may still have lines for the same file."""
        self._thread = threading.Thread(target=self._run, args=(after,), name="traffic log", daemon=True)
        self._thread.start()

    def offer(self, recording: TrafficRecord) -> None:
        """Never waits."""
        if self.waiting_bytes + recording.cost > self._settings.queue_bytes:
            self._dropped(1)
            return
        self._offered += recording.cost
        self._queue.put(recording)

    def finish(self) -> None:
        """Write what is waiting, and end. Returns at once."""
        self._queue.put(None)

    def join(self, timeout_s: float | None) -> bool:
        """Whether it has ended."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def _run(self, before: TrafficLog | None) -> None:
        if before is not None:
            before.join(None)
        self.file.write(())  # a directory that cannot be used is told now, not with the first request
        if self.file.trouble is not None:
            self._complain(str(self.file.trouble.strerror))
        going = True
        while going:
            batch, going = self._next()
            try:
                self.write(batch)
                self.sweep_if_due()
            except Exception:
                log.exception("the traffic log failed; it goes on")
        self.file.close()

    def _next(self) -> tuple[list[TrafficRecord], bool]:
        """What is waiting, at most `BATCH`; waits for the first until the clock should be looked at again."""
        batch: list[TrafficRecord] = []
        wait_s = min(LOOK_AT_CLOCK_S, max(0.0, self._sweep_at - self._clock()))
        try:
            while len(batch) < BATCH:
                item = self._queue.get(timeout=wait_s) if not batch else self._queue.get_nowait()
                if item is None:
                    return batch, False
                batch.append(item)
        except queue.Empty:
            pass
        return batch, True

    def write(self, batch: Sequence[TrafficRecord]) -> None:
        lines: list[bytes] = []
        for recording in batch:
            self._taken += recording.cost
            try:
                lines.append(recording.line(self._redaction))
            except Exception:
                log.exception("a line of the traffic log cannot be made", request_id=recording.request_id)
                self._dropped(1)
        if not lines:
            return
        written = self.file.write(lines)
        if written < len(lines):
            self._dropped(len(lines) - written)
        if self.file.trouble is not None:
            self._complain(str(self.file.trouble.strerror), dropped=len(lines) - written)
        self._pack()

    def _pack(self) -> None:
        """What was put aside; and see that there are not too many of them."""
        full, self.file.full = self.file.full, []
        for path in full if self._settings.compress and self._settings.compress_immediately else ():
            try:
                ratio = pack(path)
            except OSError as error:
                self._complain(str(error.strerror), file=str(path))
            else:
                log.info("log file packed", file=f"{path}.gz", times_smaller=round(ratio, 1))
        if full:
            self._sweep(compress=False)

    def sweep_if_due(self) -> None:
        """At the start, and then each time the interval has passed."""
        now = self._clock()
        if now < self._sweep_at:
            return
        self._sweep_at = now + self._settings.sweep_every_s
        self._sweep(compress=self._settings.compress)

    def _sweep(self, *, compress: bool) -> None:
        settings = self._settings
        swept = sweep(
            settings.directory,
            self.file.name,
            keep=settings.keep,
            max_age_s=settings.max_age_s,
            compress=compress,
            now=self._wall(),
        )
        if swept.removed or swept.packed or swept.troubles:
            log.info("logs swept", removed=len(swept.removed), packed=len(swept.packed), troubles=list(swept.troubles))

    def _complain(self, reason: str, **more: object) -> None:
        now = self._clock()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_S
            log.error("the traffic log cannot be written", directory=str(self._settings.directory), reason=reason, **more)
