"""Names to addresses, each in a thread of its own: a silent name server keeps nobody waiting who asks for another name."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import Any

Address = tuple[int, int, int, str, tuple[Any, ...]]

codecs.lookup("idna")  # now: getaddrinfo needs it, and a process whose first look finds no descriptor free never finds it again


def looked_up(host: str, port: int) -> asyncio.Future[Sequence[Address]]:
    """Ends with an OSError, or UnicodeError for what cannot be a name; it cannot be stopped, only forgotten.

    Not by the loop: its pool has four threads (uvloop; two of them for names), and six names that time out fill any.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Sequence[Address]] = loop.create_future()

    def tell(addresses: Sequence[Address], error: Exception | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def look() -> None:
        addresses: Sequence[Address] = []
        error: Exception | None = None
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as told:
            error = told
        except Exception as told:  # noqa: BLE001 - whatever it is, somebody waits for it
            error = OSError(f"{type(told).__name__}: {told}")
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, addresses, error)

    threading.Thread(target=look, name="name lookup", daemon=True).start()
    return found
