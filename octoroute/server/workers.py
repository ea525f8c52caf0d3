"""Worker processes on one port: the parent forks, restarts, and signals them. It serves no requests, and no worker outlives it.

Each worker has its own circuits, limits, and statistics; metrics are aggregated on scrape.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from typing import NoReturn

import msgspec
import structlog

from octoroute.server.signals import FORCE_S, SIGNALS
from octoroute.server.watchdog import MAX_SILENCE_S, STUCK_SIGNAL
from octoroute.telemetry.logging import fast_logger

log = structlog.stdlib.get_logger("octoroute.workers")

MAX_DELAY_S = 30.0
"""The longest delay before a worker is restarted; it doubles while workers die young."""
_TOO_SOON_S = 5.0
"""A worker that dies within this time counts as failing at start-up."""
_POLL_S = 1.0


class Child(msgspec.Struct):
    """A worker process."""

    pid: int
    slot: int
    started_at: float
    beats: int = 0
    """How often its event loop had turned when the parent last looked."""
    silent_s: float = 0.0
    """How long that has not changed."""
    told_to_end: bool = False
    """It is stuck, and has been sent the signal at which it says where. If it is still there at the next look, it is killed."""


class Workers:
    """The parent of the worker processes.

    `work(listener, report_ready, beat)` runs in each child until SIGTERM. It starts with SIGNALS blocked, so that none is lost, and
    must unblock them once its handlers are installed. It calls `report_ready` once, and `beat` each second. `reload` runs in the
    parent at SIGHUP, for children that are forked later. `died` is called with the process id of a worker that ended.
    """

    def __init__(
        self,
        listener: socket.socket,
        work: Callable[[socket.socket, Callable[[], None], Callable[[], None]], None],
        *,
        reload: Callable[[], None],
        died: Callable[[int], None],
        stop_limit_s: float,
        max_silence_s: float = MAX_SILENCE_S,
    ) -> None:
        """`stop_limit_s`: a worker that has not ended so long after the signal to stop is killed."""
        self._listener = listener
        self._work = work
        self._reload = reload
        self._died = died
        self._stop_limit_s = stop_limit_s
        self._max_silence_s = max_silence_s
        self._children: dict[int, Child] = {}
        """By process id."""
        self._beats = memoryview(b"")
        """A counter for each worker, shared with it."""
        self._restart_at: dict[int, float] = {}
        """The monotonic time at which a worker is started again, by its slot."""
        self._delay_s = 1.0
        self._kill_at: float | None = None
        """The monotonic time at which every worker is killed; None: the parent is not stopping."""
        self._lifeline = os.pipe()
        """A pipe that is never written to: children reading from it get an end of file when the parent dies."""

    def run(self, count: int, ready: Callable[[], None]) -> int:
        """Run until SIGTERM or SIGINT and return the exit code. `ready` is called once every worker answers requests."""
        self._beats = memoryview(mmap.mmap(-1, 8 * count)).cast("q")
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._reload_all)
        signal.signal(signal.SIGCHLD, _wake)
        signal.set_wakeup_fd(wake_write)
        ready_read, ready_write = os.pipe()
        for slot in range(count):
            self._fork(slot, ready_write)
        os.close(ready_write)
        return self._watch(wake_read, ready_read, ready)

    def _fork(self, slot: int, ready_fd: int | None = None) -> None:
        """Start a worker, unless the parent is stopping. The worker writes one byte to `ready_fd` once it answers requests."""
        with _signals_blocked():
            if self._kill_at is not None:
                return
            if pid := os.fork():
                self._children[pid] = Child(pid, slot, time.monotonic(), self._beats[slot])
            else:
                self._run_child(slot, ready_fd)

    def _run_child(self, slot: int, ready_fd: int | None) -> NoReturn:
        signal.set_wakeup_fd(-1)
        for signum in (*SIGNALS, signal.SIGCHLD):
            signal.signal(signum, signal.SIG_DFL)
        self._stop_with_parent()
        code = 1
        try:
            self._work(self._listener, lambda: _report_ready(ready_fd), lambda: self._beat(slot))
            code = 0
        except Exception:
            log.exception("worker failed")
        finally:
            if lines := fast_logger():
                lines.flush()
            os._exit(code)

    def _beat(self, slot: int) -> None:
        self._beats[slot] += 1

    def _stop_with_parent(self) -> None:
        """Start a thread that sends SIGTERM to this worker when the parent dies."""
        read_end, write_end = self._lifeline
        os.close(write_end)

        def wait() -> None:
            os.read(read_end, 1)
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=wait, name="parent", daemon=True).start()

    def _watch(self, wake_fd: int, ready_fd: int, ready: Callable[[], None]) -> int:
        """Restart workers that end, and kill those that are stuck, until the parent is stopped and all have ended.

        `wake_fd` is readable after a signal, `ready_fd` after a worker is ready. Returns the exit code.
        """
        exit_code = 0
        waited_for = {wake_fd, ready_fd}
        ready_workers = 0
        looked_at = time.monotonic()
        while self._children or (self._restart_at and self._kill_at is None):
            readable, _, _ = select.select(list(waited_for), [], [], _POLL_S)
            if wake_fd in readable:
                os.read(wake_fd, 512)
            if ready_fd in readable:
                data = os.read(ready_fd, 512)
                ready_workers += len(data)
                if not data:
                    waited_for.remove(ready_fd)
                    if ready_workers == len(self._beats):
                        with _signals_blocked():
                            if self._kill_at is None:
                                ready()
            now = time.monotonic()
            exit_code = self._reap() or exit_code
            self._kill_stuck(now, now - looked_at)
            self._restart(now)
            looked_at = now
        return exit_code

    def _reap(self) -> int:
        """Take note of the workers that have ended. Returns 1 if one failed while the parent was stopping, else 0."""
        failed = 0
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            child = self._children.pop(pid, None)
            if child is None:
                continue
            code = os.waitstatus_to_exitcode(status)
            self._died(pid)
            if self._kill_at is not None:
                failed = failed or (0 if code in {0, -signal.SIGTERM} else 1)
                continue
            now = time.monotonic()
            self._delay_s = min(self._delay_s * 2, MAX_DELAY_S) if now - child.started_at < _TOO_SOON_S else 1.0
            self._restart_at[child.slot] = now + self._delay_s
            with _signals_blocked():
                log.error("worker ended, it will be restarted", pid=pid, code=code, in_s=self._delay_s)
        return failed

    def _restart(self, now: float) -> None:
        for slot in [slot for slot, at in self._restart_at.items() if at <= now]:
            del self._restart_at[slot]
            self._fork(slot)

    def _kill_stuck(self, now: float, elapsed_s: float) -> None:
        """Kill workers whose event loop does not turn, or that have not ended in time.

        `elapsed_s`: since the last call. More than two polls are not counted: the parent has been suspended, its workers too.
        """
        if self._kill_at is not None:
            if now >= self._kill_at:
                for child in self._children.values():
                    with _signals_blocked():
                        log.error("worker is stuck, it is killed", pid=child.pid)
                self._kill_at = now + self._stop_limit_s
                self._forward(signal.SIGKILL)
            return
        for child in list(self._children.values()):
            beats = self._beats[child.slot]
            child.silent_s = 0.0 if beats != child.beats else child.silent_s + min(elapsed_s, 2 * _POLL_S)
            child.beats = beats
            if child.silent_s < self._max_silence_s:
                child.told_to_end = False
            elif not child.told_to_end:
                child.told_to_end = True
                with _signals_blocked():
                    log.error("worker is stuck, it is killed", pid=child.pid, silent_s=round(self._max_silence_s))
                os.kill(child.pid, STUCK_SIGNAL)
            else:
                os.kill(child.pid, signal.SIGKILL)

    def _stop(self, signum: int, frame: object) -> None:
        del frame
        first = self._kill_at is None
        self._kill_at = time.monotonic() + (self._stop_limit_s if first else FORCE_S)
        self._listener.close()  # an open listener of the parent would accept clients that no worker serves
        self._forward(signal.SIGTERM)
        if first:
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


def _wake(signum: int, frame: object) -> None:
    """Do nothing: a signal with a handler is written to the wake-up pipe."""


def _report_ready(ready_fd: int | None) -> None:
    if ready_fd is not None:
        os.write(ready_fd, b"1")
        os.close(ready_fd)
