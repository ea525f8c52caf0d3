"""Worker processes on one port: the parent forks, restarts, and signals them. It serves no requests, and no worker outlives it.

Each worker has its own circuits, limits, and statistics; metrics are aggregated on scrape.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from typing import NoReturn

import structlog

from octoroute.telemetry.logging import fast_logger

log = structlog.stdlib.get_logger("octoroute.workers")

MAX_DELAY_S = 30.0
"""The longest delay before a worker is restarted; it doubles while workers die young."""
_TOO_SOON_S = 5.0
"""A worker that dies within this time counts as failing at start-up."""
_POLL_S = 0.1
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The signals that the parent forwards to its workers."""


class Workers:
    """The parent of the worker processes.

    `work(listener, report_ready)` runs in each child until SIGTERM. It starts with SIGNALS blocked, so that none is lost, and must
    unblock them once its handlers are installed. `reload` runs in the parent at SIGHUP, for children that are forked later.
    `died` is called with the process id of a worker that ended.
    """

    def __init__(
        self,
        listener: socket.socket,
        work: Callable[[socket.socket, Callable[[], None]], None],
        *,
        reload: Callable[[], None],
        died: Callable[[int], None],
    ) -> None:
        self._listener = listener
        self._work = work
        self._reload = reload
        self._died = died
        self._children: dict[int, float] = {}
        """Process id to the monotonic time of its start, in seconds."""
        self._stopping = False
        self._lifeline = os.pipe()
        """A pipe that is never written to: children reading from it get an end of file when the parent dies."""

    def run(self, count: int, ready: Callable[[], None]) -> int:
        """Run until SIGTERM or SIGINT and return the exit code. `ready` is called once every worker answers requests."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._reload_all)
        read_end, write_end = os.pipe()
        for _ in range(count):
            self._fork(write_end)
        os.close(write_end)
        if len(_read_all(read_end, count)) == count:
            with _signals_blocked():
                if not self._stopping:
                    ready()
        os.close(read_end)
        return self._watch()

    def _fork(self, ready_fd: int | None = None) -> None:
        """Start a worker, unless the parent is stopping. The worker writes one byte to `ready_fd` once it answers requests."""
        with _signals_blocked():
            if self._stopping:
                return
            if pid := os.fork():
                self._children[pid] = time.monotonic()
            else:
                self._run_child(ready_fd)

    def _run_child(self, ready_fd: int | None) -> NoReturn:
        for signum in SIGNALS:
            signal.signal(signum, signal.SIG_DFL)
        self._stop_with_parent()
        code = 1
        try:
            self._work(self._listener, lambda: _report_ready(ready_fd))
            code = 0
        except Exception:
            log.exception("worker failed")
        finally:
            if lines := fast_logger():
                lines.flush()
            os._exit(code)

    def _stop_with_parent(self) -> None:
        """Start a thread that sends SIGTERM to this worker when the parent dies."""
        read_end, write_end = self._lifeline
        os.close(write_end)

        def wait() -> None:
            os.read(read_end, 1)
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=wait, name="parent", daemon=True).start()

    def _watch(self) -> int:
        """Restart workers that end until the parent is stopped and all have ended. Return the exit code."""
        delay_s = 1.0
        exit_code = 0
        while self._children:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            started_at = self._children.pop(pid, None)
            if started_at is None:
                continue
            code = os.waitstatus_to_exitcode(status)
            self._died(pid)
            if self._stopping:
                exit_code = exit_code or (0 if code in {0, -signal.SIGTERM} else 1)
                continue
            delay_s = min(delay_s * 2, MAX_DELAY_S) if time.monotonic() - started_at < _TOO_SOON_S else 1.0
            with _signals_blocked():
                log.error("worker ended, it will be restarted", pid=pid, code=code, in_s=delay_s)
            self._sleep(delay_s)
            self._fork()
        return exit_code

    def _sleep(self, seconds: float) -> None:
        """Sleep, but no longer than until the parent is stopping: a signal handler does not interrupt `time.sleep`."""
        until = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < until:
            time.sleep(_POLL_S)

    def _stop(self, signum: int, frame: object) -> None:
        del frame
        self._stopping = True
        self._listener.close()  # an open listener of the parent would accept clients that no worker serves
        self._forward(signal.SIGTERM)
        log.info("stopping", signal=signal.Signals(signum).name, workers=len(self._children))

    def _reload_all(self, signum: int, frame: object) -> None:
        del signum, frame
        self._reload()
        self._forward(signal.SIGHUP)

    def _forward(self, signum: signal.Signals) -> None:
        for pid in list(self._children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)


@contextlib.contextmanager
def _signals_blocked() -> Generator[None]:
    """Block SIGNALS: a handler must not run between a fork and the entry of its child, nor while a log line is written."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _report_ready(ready_fd: int | None) -> None:
    if ready_fd is not None:
        os.write(ready_fd, b"1")
        os.close(ready_fd)


def _read_all(read_end: int, count: int) -> bytes:
    """Return `count` bytes, or fewer if all writers have closed the pipe."""
    read = b""
    while len(read) < count:
        data = os.read(read_end, count)
        if not data:
            break
        read += data
    return read
