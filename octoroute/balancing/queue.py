"""Where requests wait when everything that could answer them is full.

First in, first out within a client; between clients in turn. A place is handed over in the moment it becomes free, so nobody who
comes later can take it; nobody polls. Who leaves, for whatever reason, leaves no trace.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Annotated, Generic, TypeVar

import msgspec

from octoroute.domain.option import Key, Table

T = TypeVar("T")

SOON_S = 0.01
"""The timer never fires sooner: a clock that promises and does not keep must not keep us busy."""


class QueueSettings(Table, frozen=True, kw_only=True):
    """Requests wait if every suitable endpoint is at capacity: first in, first out for each client, and clients take turns."""

    max_waiting: Annotated[int, Key("largest number of waiting requests; 0 turns the queue off", low=0, high=1000000)] = 0
    max_wait_s: Annotated[float, Key("after this time a waiting request gets 429 with retry-after", above=0, high=3600)] = (
        msgspec.field(default=30.0, name="max_wait_seconds")
    )


class _Waiter(Generic[T]):
    __slots__ = ("client", "due_s", "granted", "offer", "wants")

    def __init__(
        self, client: str, wants: frozenset[str], offer: Callable[[], T | None], due_s: Callable[[], float | None]
    ) -> None:
        self.client = client
        self.wants = wants
        self.offer = offer
        self.due_s = due_s
        self.granted: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()

    def give_up(self) -> None:
        if not self.granted.done():
            self.granted.set_result(None)


class AdmissionQueue(Generic[T]):
    """`take_back` gets a place that was granted to somebody who has left in the same moment."""

    def __init__(self, clock: Callable[[], float], take_back: Callable[[T], None]) -> None:
        self.depth = 0
        self._clock = clock
        self._take_back = take_back
        self._lines: dict[str, deque[_Waiter[T]]] = {}
        """By client, the next in turn first."""
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = math.inf

    async def acquire(
        self,
        client: str,
        wants: frozenset[str],
        offer: Callable[[], T | None],
        due_s: Callable[[], float | None],
        *,
        max_wait_s: float,
    ) -> T | None:
        """What `offer` gave, when it is this request's turn; None: the time is up.

        `wants` are the names under which a place may become free, `offer` takes one if it can, and `due_s` says when time alone
        will free one (None: it will not).
        """
        waiter = _Waiter(client, wants, offer, due_s)
        self._lines.setdefault(client, deque()).append(waiter)
        self.depth += 1
        self._set_timer(due_s())
        limit = asyncio.get_running_loop().call_later(max_wait_s, waiter.give_up)
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
                granted = waiter.granted.result()
                if granted is not None:
                    self._take_back(granted)
            raise
        finally:
            limit.cancel()
            self._leave(waiter)

    def on_capacity(self, *names: str) -> None:
        """A place has become free under these names."""
        if self.depth:
            self._grant(names)

    def catch_up(self) -> None:
        """Before somebody new is served: who waits for the clock comes first."""
        if self.depth and self._clock() >= self._due_at:
            self.drain()

    def drain(self) -> None:
        """Offer everybody everything, until nobody can take anything."""
        while self.depth and self._grant(()):
            pass
        self._rearm()

    def _grant(self, names: tuple[str, ...]) -> bool:
        for waiter in self._in_turn(names):
            try:
                granted = waiter.offer()
            except Exception as error:  # noqa: BLE001 - it is the waiter's, not of whoever has made room
                self._leave(waiter)
                waiter.granted.set_exception(error)
                return self._grant(names)
            if granted is not None:
                self._leave(waiter)
                line = self._lines.pop(waiter.client, None)
                if line is not None:  # to the end of the round
                    self._lines[waiter.client] = line
                waiter.granted.set_result(granted)
                return True
        return False

    def _in_turn(self, names: tuple[str, ...]) -> Iterator[_Waiter[T]]:
        """Whom to offer a place to, in order. Behind somebody who goes away empty-handed nobody of the same client with the same
        or fewer wishes is asked: a small request must not pass a large one for ever.
        """
        for line in list(self._lines.values()):
            blocked: frozenset[str] = frozenset()
            for waiter in list(line):
                if waiter.granted.done() or waiter.wants <= blocked:
                    continue
                if names and waiter.wants.isdisjoint(names):
                    continue
                blocked |= waiter.wants
                yield waiter

    def _leave(self, waiter: _Waiter[T]) -> None:
        line = self._lines.get(waiter.client)
        if line is None or waiter not in line:
            return
        line.remove(waiter)
        self.depth -= 1
        if not line:
            del self._lines[waiter.client]
        if not self.depth and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._due_at = math.inf

    # time

    def _set_timer(self, due_s: float | None) -> None:
        if due_s is None:
            return
        due_s = max(due_s, SOON_S)
        due_at = self._clock() + due_s
        if due_at >= self._due_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due_at = due_at
        self._timer = asyncio.get_running_loop().call_later(due_s, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.drain()

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due_at = math.inf
        for waiter in self._in_turn(()):
            self._set_timer(waiter.due_s())
