"""How a connection to one origin is opened: name, address, TCP, TLS, pins."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl

import aiohappyeyeballs

from octoroute.errors import TlsRejected
from octoroute.upstream.transports.failures import PINNED
from octoroute.upstream.transports.native.connection import ClientConnection, ConnectionOwner
from octoroute.upstream.transports.native.names import AddressCache
from octoroute.upstream.transports.request import Origin

_NEXT_ADDRESS_S = 0.25
"""The pause before the next address is tried in parallel (RFC 8305)."""


class Connector:
    def __init__(self, origin: Origin, context: ssl.SSLContext | None, room: memoryview) -> None:
        """`room`: as `ClientConnection` has it."""
        self._origin = origin
        self._context = context
        self._room = room
        self._addresses = AddressCache(origin.host, origin.port)

    async def connect(self, owner: ConnectionOwner) -> ClientConnection:
        """Raises OSError, UnicodeError (an invalid name), and TlsRejected. It has no time limit."""
        loop = asyncio.get_running_loop()
        # Not by create_connection: uvloop's has no Happy Eyeballs (RFC 8305).
        sock = await aiohappyeyeballs.start_connection(  # pyright: ignore[reportUnknownMemberType]
            await self._addresses.get(), happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1, loop=loop
        )
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host = (self._origin.server_name or self._origin.host) if self._context else None
        # From here on the loop owns the socket, and closes it however this ends.
        transport, connection = await loop.create_connection(
            lambda: ClientConnection(owner, sock, self._room), sock=sock, ssl=self._context, server_hostname=host
        )
        pins = self._origin.trust.pins_sha256 if self._origin.trust else ()
        if pins and hashlib.sha256(transport.get_extra_info("ssl_object").getpeercert(True)).digest() not in pins:
            transport.abort()
            raise TlsRejected(PINNED)
        return connection

    def forget_addresses(self) -> None:
        """Look the name up again for the next connection."""
        self._addresses.clear()
