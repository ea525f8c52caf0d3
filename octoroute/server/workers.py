"""Several processes on one port: the parent binds, forks, restarts who dies, and passes signals on. It serves nothing itself, and
nobody outlives it.

Circuits, limits, and statistics are each worker's own; metrics are added up when somebody scrapes.
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
_TOO_SOON_S = 5.0
_LOOK_S = 0.1
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Workers:
    """`work(listener, tell_ready)` runs in each child until it is told to stop by SIGTERM. It begins with SIGNALS blocked, so that
    none is lost, and unblocks them when it can hear them. `reload` is called here at SIGHUP, for children to come.
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
        self._stopping = False
        self._alive = os.pipe()
        """Children read from it, nobody ever writes, and when the parent is gone it ends."""

    def run(self, count: int, ready: Callable[[], None]) -> int:
        """Until SIGTERM or SIGINT; the exit code. `ready` is called once every worker answers."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._heard_reload)
        heard, told = os.pipe()
        for _ in range(count):
            self._fork(told)
        os.close(told)
        if len(_read_all(heard, count)) == count:
            with _held():
                if not self._stopping:
                    ready()
        os.close(heard)
        return self._watch()

    def _fork(self, told: int | None = None) -> None:
        """Unless we are to stop."""
        with _held():
            if self._stopping:
                return
            if pid := os.fork():
                self._children[pid] = time.monotonic()
            else:
                self._be_a_child(told)

    def _be_a_child(self, told: int | None) -> NoReturn:
        for signum in SIGNALS:
            signal.signal(signum, signal.SIG_DFL)
        self._go_with_the_parent()
        code = 1
        try:
            self._work(self._listener, lambda: _tell(told))
            code = 0
        except Exception:
            log.exception("worker failed")
        finally:
            if lines := fast_logger():
                lines.flush()
            os._exit(code)

    def _go_with_the_parent(self) -> None:
        heard, told = self._alive
        os.close(told)

        def wait() -> None:
            os.read(heard, 1)
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=wait, name="parent", daemon=True).start()

    def _watch(self) -> int:
        delay_s = 1.0
        worst = 0
        while self._children:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            since = self._children.pop(pid, None)
            if since is None:
                continue
            code = os.waitstatus_to_exitcode(status)
            self._died(pid)
            if self._stopping:
                worst = worst or (0 if code in {0, -signal.SIGTERM} else 1)
                continue
            delay_s = min(delay_s * 2, MAX_DELAY_S) if time.monotonic() - since < _TOO_SOON_S else 1.0
            with _held():
                log.error("worker ended, it will be restarted", pid=pid, code=code, in_s=delay_s)
            self._sleep(delay_s)
            self._fork()
        return worst

    def _sleep(self, seconds: float) -> None:
        """Until we are to stop, at the latest: a handler does not end `time.sleep`."""
        until = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < until:
            time.sleep(_LOOK_S)

    def _stop(self, signum: int, frame: object) -> None:
        del frame
        self._stopping = True
        self._listener.close()  # as long as it is open here, clients are let in whom no worker sees
        self._pass_on(signal.SIGTERM)
        log.info("stopping", signal=signal.Signals(signum).name, workers=len(self._children))

    def _heard_reload(self, signum: int, frame: object) -> None:
        del signum, frame
        self._reload()
        self._pass_on(signal.SIGHUP)

    def _pass_on(self, signum: signal.Signals) -> None:
        for pid in list(self._children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)


@contextlib.contextmanager
def _held() -> Generator[None]:
    """No signal in the midst of it: one that stops us would miss the child of a fork, and has a line of its own for the log."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _tell(told: int | None) -> None:
    if told is not None:
        os.write(told, b"1")
        os.close(told)


def _read_all(heard: int, count: int) -> bytes:
    """`count` bytes, or fewer when all writers are gone."""
    read = b""
    while len(read) < count:
        data = os.read(heard, count)
        if not data:
            break
        read += data
    return read
