"""Signals of a serving process: the first one to stop drains, the second one ends it at once, even if its event loop is stuck."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable, Generator

import structlog

from octoroute.telemetry.logging import fast_logger

log = structlog.stdlib.get_logger("octoroute.server")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The signals that a serving process handles."""
FORCE_S = 1.0
"""How long a process may take to end after a second signal."""
STUCK_S = 5.0
"""How long it may take to end after its drain timeout."""


class SignalHandlers:
    """The handlers of one process.

    They run between two instructions of Python, also while a callback keeps the event loop busy. A thread ends the process if the
    event loop does not.
    """

    def __init__(
        self,
        *,
        stop: Callable[[signal.Signals], object],
        force: Callable[[], object],
        reload: Callable[[], object],
        limit_s: float,
    ) -> None:
        """`stop`, `force`, and `reload` are called in the event loop: at the first signal to stop, at the second, and at SIGHUP.

        `limit_s`: the process has ended so long after the first signal, or is ended.
        """
        self._loop = asyncio.get_running_loop()
        self._stop = stop
        self._force = force
        self._reload = reload
        self._limit_s = limit_s
        self._stops = 0
        self._alarm_read, self._alarm_write = os.pipe()

    @contextlib.contextmanager
    def installed(self, *, is_worker: bool) -> Generator[None]:
        """`is_worker`: SIGINT is ignored, because a terminal sends it to the parent, too, which sends SIGTERM."""
        handlers = {
            signal.SIGTERM: self._on_stop,
            signal.SIGINT: signal.SIG_IGN if is_worker else self._on_stop,
            signal.SIGHUP: self._on_reload,
        }
        before = {signum: signal.signal(signum, handler) for signum, handler in handlers.items()}
        watchdog = threading.Thread(target=self._watch, name="stop", daemon=True)
        watchdog.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
            os.close(self._alarm_write)
            watchdog.join()
            os.close(self._alarm_read)

    def _on_stop(self, signum: int, frame: object) -> None:
        del frame
        self._stops += 1
        if self._stops == 1:
            self._call(lambda: self._stop(signal.Signals(signum)))
        else:
            self._call(self._force)
        os.write(self._alarm_write, b"1")

    def _on_reload(self, signum: int, frame: object) -> None:
        del signum, frame
        self._call(self._reload)

    def _call(self, function: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(function)

    def _watch(self) -> None:
        """Wait for a signal to stop, then for the end of the handlers or a time limit."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # they are the main thread's: here they would not end its system calls
        limit_s: float | None = None
        while True:
            ready, _, _ = select.select([self._alarm_read], [], [], limit_s)
            if not ready:
                self._end()
            if not os.read(self._alarm_read, 1):
                return
            limit_s = self._limit_s if limit_s is None else FORCE_S

    def _end(self) -> None:
        log.error("the event loop is stuck, the process is ended")
        if lines := fast_logger():
            lines.flush()
        os._exit(1)
