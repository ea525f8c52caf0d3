"""Host names to addresses, each look-up in a thread of its own, so that a silent name server delays no other name."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import Any

Address = tuple[int, int, int, str, tuple[Any, ...]]

codecs.lookup("idna")  # now: getaddrinfo needs it, and a process that first looks for it without a free descriptor never finds it


def look_up(host: str, port: int) -> asyncio.Future[Sequence[Address]]:
    """Ends with OSError, or UnicodeError for an invalid name; a look-up cannot be stopped, only abandoned.

    Not by the loop's own resolver: uvloop's pool has four threads, two of them for names, so that a few silent names fill it.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Sequence[Address]] = loop.create_future()

    def report(addresses: Sequence[Address], error: Exception | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def resolve() -> None:
        addresses: Sequence[Address] = []
        error: Exception | None = None
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as failure:
            error = failure
        except Exception as failure:  # noqa: BLE001 - a task waits for the result
            error = OSError(f"{type(failure).__name__}: {failure}")
        with contextlib.suppress(RuntimeError):  # the loop is closed: no task waits any more
            loop.call_soon_threadsafe(report, addresses, error)

    threading.Thread(target=resolve, name="name lookup", daemon=True).start()
    return found
