"""The connections to one origin: the freshest is used first, their number has a limit, requests wait for one in order."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from octoroute.errors import BadUpstreamResponse, Unreachable
from octoroute.upstream.transports.failures import CLOSED, unreachable
from octoroute.upstream.transports.native.connection import ClientConnection
from octoroute.upstream.transports.native.connector import Connector

MAX_AGE_S = 20.0
"""An older connection serves no further request: a name that moves is followed within half a minute."""
AVOID_S = 5.0
"""How long an address is avoided whose server failed."""
ALONE_S = 60.0
"""How long no address is avoided after none of the others could be reached."""


class _Detour(NamedTuple):
    address: str
    until: float


class Pool:
    def __init__(self, connector: Connector, limit: int, idle_s: float) -> None:
        """`limit`: open connections; 0: no limit. `idle_s`: how long an unused connection is kept."""
        self._connector = connector
        self._limit = limit
        self._idle_s = idle_s
        self._idle: dict[ClientConnection, float] = {}
        self._open: dict[ClientConnection, float] = {}
        """Since when, in the loop's time."""
        self._avoided: _Detour | None = None
        self._alone_until = 0.0
        """The loop's time until which the other addresses of the name count as out of reach."""
        self._waiting: deque[asyncio.Future[ClientConnection | None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self.empty = asyncio.Event()
        """Set once the pool is closed and its last connection gone."""
        self.count = 0
        """Connections open and being opened."""

    def take(self) -> ClientConnection | None:
        if self._avoided is not None:
            return self._take_elsewhere(self._avoided)
        idle = self._idle
        while idle:
            connection, _ = idle.popitem()
            if connection.is_usable():
                return connection
            connection.drop()
        return None

    def _take_elsewhere(self, avoided: _Detour) -> ClientConnection | None:
        """An idle connection to another address. None: open one."""
        if asyncio.get_running_loop().time() > avoided.until:
            self._avoided = None
            return self.take()
        for connection in reversed(list(self._idle)):
            if connection.address == avoided.address:
                continue
            del self._idle[connection]
            if connection.is_usable():
                return connection
            connection.drop()
        return None

    def avoid(self, connection: ClientConnection) -> None:
        """Its server failed: for a while requests prefer the other addresses of the name, if it has others that answer."""
        now = connection.loop.time()
        if self._connector.has_several_addresses and now >= self._alone_until:
            self._avoided = _Detour(connection.address, now + AVOID_S)

    async def open(self, timeout_s: float) -> ClientConnection:
        """A new connection, or one that was released meanwhile. `timeout_s` limits the connecting, not the waiting."""
        while True:
            if self._closed:
                raise Unreachable(CLOSED)
            if not self._limit or self.count < self._limit:
                self.count += 1
                break
            connection = await self._wait()
            if connection is None:
                break
            if connection.is_usable():
                return connection
            connection.drop()
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._connector.connect(self, "" if self._avoided is None else self._avoided.address)
        except (OSError, UnicodeError) as error:
            self._vacate()
            self._connector.forget_addresses()  # they may be outdated
            raise unreachable(error) from error
        except BaseException:
            self._vacate()
            raise
        if self._closed:
            connection.drop()
            self._vacate()
            raise Unreachable(CLOSED)
        now = self._open[connection] = connection.loop.time()
        if self._avoided is not None and connection.address == self._avoided.address:
            self._avoided, self._alone_until = None, now + ALONE_S
        return connection

    async def _wait(self) -> ClientConnection | None:
        """For a connection. None: one has closed, and its successor, which is counted already, may be opened."""
        place: asyncio.Future[ClientConnection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                connection = place.result()
                if connection is None:
                    self._vacate()
                else:
                    self.release(connection)
            raise

    def _next_waiting(self) -> asyncio.Future[ClientConnection | None] | None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                return place
        return None

    def release(self, connection: ClientConnection) -> None:
        """A response has ended cleanly, and its connection may serve another, unless it is old: its name may have moved."""
        loop = connection.loop
        now = loop.time()
        if now - self._open[connection] > MAX_AGE_S:
            connection.drop()
            return
        if self._waiting and (place := self._next_waiting()):
            place.set_result(connection)
            return
        self._idle[connection] = now
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._idle_s, self._sweep)

    def lost(self, connection: ClientConnection) -> None:
        self._idle.pop(connection, None)
        if connection in self._open:
            del self._open[connection]
            self._vacate()
        if self._closed and not self._open:
            self.empty.set()

    def _vacate(self) -> None:
        if place := self._next_waiting():
            place.set_result(None)
        else:
            self.count -= 1

    def _sweep(self) -> None:
        self._sweeper = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._idle:
            oldest = next(iter(self._idle))
            left_s = self._idle[oldest] + self._idle_s - now
            if left_s > 0:
                self._sweeper = loop.call_later(max(left_s, self._idle_s / 8), self._sweep)
                break
            del self._idle[oldest]
            oldest.drop()

    def close(self) -> None:
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._idle.clear()
        while place := self._next_waiting():
            place.set_exception(Unreachable(CLOSED))
        for connection in self._open:
            connection.fail(BadUpstreamResponse(CLOSED))
        if not self._open:
            self.empty.set()
