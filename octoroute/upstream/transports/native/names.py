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
"""As `socket.getaddrinfo` returns them."""
_TTL_S = 10.0
"""How long addresses are used before they are looked up again."""
_PATIENCE_S = 0.3
"""How long a new look-up is waited for while there are old addresses."""

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


class AddressCache:
    """The addresses of one host.

    Old addresses are used if no new ones come soon (RFC 8767), so that a name server that is down stops no request.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._addresses: Sequence[Address] = []
        self._resolved_at = 0.0
        """The loop's time."""
        self._lookup: asyncio.Future[Sequence[Address]] | None = None

    async def get(self) -> Sequence[Address]:
        """One look-up serves all that wait for it, even if some are cancelled. Raises OSError and UnicodeError."""
        is_old = self._resolved_at + _TTL_S < asyncio.get_running_loop().time()
        if self._addresses and not is_old:
            return self._addresses
        if self._lookup is None:
            self._lookup = look_up(self._host, self._port)
            self._lookup.add_done_callback(self._on_resolved)
        if not self._addresses:
            return await asyncio.shield(self._lookup)
        await asyncio.wait({self._lookup}, timeout=_PATIENCE_S)
        return self._addresses

    @property
    def has_several(self) -> bool:
        return len(self._addresses) > 1

    def clear(self) -> None:
        self._addresses = []

    def _on_resolved(self, lookup: asyncio.Future[Sequence[Address]]) -> None:
        self._lookup = None
        if not lookup.cancelled() and lookup.exception() is None:
            self._addresses = lookup.result()
            self._resolved_at = lookup.get_loop().time()
