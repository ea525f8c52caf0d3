"""Ends a process that is stuck in native code that holds Python's lock: no signal handler and no thread runs then.

The kernel's timer of processor time ends it. Its signal is answered in native code, too: faulthandler writes the stacks of all
threads to standard error, and `_exit` follows. The timer is set anew each second while the event loop turns. Waiting takes no
processor time, so a process that is suspended, or on a busy machine, is not taken for a stuck one. The parent of workers finds
those that wait for ever.
"""

from __future__ import annotations

import ctypes
import faulthandler
import signal
from collections.abc import Callable

MAX_SILENCE_S = 60.0
"""A process whose event loop has not turned for so long is stuck. In seconds of processor time here."""
STUCK_SIGNAL = signal.SIGVTALRM
"""Of the timer, and of the parent of workers. It ends the process, with its number as the exit code."""
_STANDARD_ERROR = 2


class Watchdog:
    """Of the process that enters it, until it is left."""

    def __init__(self, then: Callable[[], None] | None = None, max_silence_s: float = MAX_SILENCE_S) -> None:
        """`then` is called at each beat."""
        self._then = then
        self._max_silence_s = max_silence_s

    def __enter__(self) -> None:
        _exit_at(STUCK_SIGNAL)
        faulthandler.register(STUCK_SIGNAL, _STANDARD_ERROR, all_threads=True, chain=True)  # pyright: ignore[reportArgumentType]

    def beat(self) -> None:
        """The event loop turns. Call it each second."""
        signal.setitimer(signal.ITIMER_VIRTUAL, self._max_silence_s)
        if self._then is not None:
            self._then()

    def __exit__(self, *failure: object) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        faulthandler.unregister(STUCK_SIGNAL)
        signal.signal(STUCK_SIGNAL, signal.SIG_DFL)


def _exit_at(signum: signal.Signals) -> None:
    """Make libc's `_exit` the handler of the signal. The default action does not end the first process of a container."""
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    libc.signal.restype = ctypes.c_void_p
    libc.signal(signum, ctypes.cast(libc["_exit"], ctypes.c_void_p))
