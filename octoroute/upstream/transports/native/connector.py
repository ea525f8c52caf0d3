"""How a connection to one origin is opened: name, address, TCP, TLS, pins."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Sequence

import aiohappyeyeballs

from octoroute.errors import TlsRejected
from octoroute.upstream.transports.failures import PINNED
from octoroute.upstream.transports.native.connection import ClientConnection, ConnectionOwner
from octoroute.upstream.transports.native.names import Address, AddressCache
from octoroute.upstream.transports.peer_liveness import watch_peer
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
        self._turn = 0
        """Of the addresses: the next connection begins with the next one."""

    async def connect(self, owner: ConnectionOwner, avoid: str = "") -> ClientConnection:
        """To the addresses of the name in turn, to `avoid` only if there is no other.

        Raises OSError, UnicodeError (an invalid name), and TlsRejected. It has no time limit.
        """
        loop = asyncio.get_running_loop()
        # Not by create_connection: uvloop's has no Happy Eyeballs (RFC 8305).
        sock = await aiohappyeyeballs.start_connection(  # pyright: ignore[reportUnknownMemberType]
            self._in_turn(await self._addresses.get(), avoid), happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1, loop=loop
        )
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        watch_peer(sock)
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

    def _in_turn(self, addresses: Sequence[Address], avoid: str) -> Sequence[Address]:
        """Another one first each time, within the address family that the resolver prefers."""
        if len(addresses) < 2:
            return addresses
        turn, self._turn = self._turn, self._turn + 1
        families = dict.fromkeys(address[0] for address in addresses)
        ordered: list[Address] = []
        for family in families:
            same = [address for address in addresses if address[0] == family]
            at = turn % len(same)
            ordered += same[at:] + same[:at]
        return sorted(ordered, key=lambda address: address[4][0] == avoid)

    @property
    def has_several_addresses(self) -> bool:
        """Whether the name had more than one when it was last looked up."""
        return self._addresses.has_several

    def forget_addresses(self) -> None:
        """Look the name up again for the next connection."""
        self._addresses.clear()
