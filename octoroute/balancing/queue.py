"""Requests that wait until an endpoint has capacity: first in, first out within a client, round robin between clients.

Capacity is handed over when it becomes free, so that no later request can take it, and no waiter polls. A waiter that leaves, for
whatever reason, leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Annotated, Generic, TypeVar

import msgspec

from octoroute.domain.option import Key, Table

T = TypeVar("T")

MIN_TIMER_S = 0.01
"""Shortest timer: a `due_s` that stays near 0 without an offer being accepted must not make the loop spin."""


class QueueSettings(Table, frozen=True, kw_only=True):
    """Requests wait if every suitable endpoint is at capacity: first in, first out for each client, and clients take turns."""

    max_waiting: Annotated[int, Key("largest number of waiting requests; 0 turns the queue off", low=0, high=1000000)] = 0
    max_wait_s: Annotated[float, Key("after this time a waiting request gets 429 with retry-after", above=0, high=3600)] = (
        msgspec.field(default=30.0, name="max_wait_seconds")
    )


class _Waiter(Generic[T]):
    __slots__ = ("client", "due_s", "granted", "offer", "request", "wants")

    def __init__(
        self,
        client: str,
        wants: frozenset[str],
        offer: Callable[[], T | None],
        due_s: Callable[[], float | None],
        request: object,
    ) -> None:
        self.request = request
        self.client = client
        self.wants = wants
        self.offer = offer
        self.due_s = due_s
        self.granted: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()

    def time_out(self) -> None:
        if not self.granted.done():
            self.granted.set_result(None)


class AdmissionQueue(Generic[T]):
    """`T` is what a waiter is granted. `take_back` gets a grant whose waiter was cancelled in the same moment."""

    def __init__(self, clock: Callable[[], float], take_back: Callable[[T], None]) -> None:
        self.depth = 0
        """Requests that wait."""
        self._clock = clock
        self._take_back = take_back
        self._lines: dict[str, deque[_Waiter[T]]] = {}
        """Waiters by client; the client whose turn is next comes first."""
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = math.inf
        """When the timer fires."""

    async def acquire(
        self,
        client: str,
        wants: frozenset[str],
        offer: Callable[[], T | None],
        due_s: Callable[[], float | None],
        *,
        max_wait_s: float,
        request: object = None,
    ) -> T | None:
        """What `offer` returned when it was this request's turn; None: `max_wait_s` has passed.

        `wants`: the names of `on_capacity` that concern this request. `offer` takes capacity if there is any; None: there is
        none. `due_s`: seconds until the clock alone frees capacity; None: it will not. `request`: what `order` calls this one.
        Raises what `offer` raises.
        """
        waiter = _Waiter(client, wants, offer, due_s, request)
        self._lines.setdefault(client, deque()).append(waiter)
        self.depth += 1
        self._set_timer(due_s())
        limit = asyncio.get_running_loop().call_later(max_wait_s, waiter.time_out)
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

    def order(self) -> list[object]:
        """The waiting requests in the order in which they would be served if all of them wanted the same."""
        rounds = zip_longest(*self._lines.values())
        return [waiter.request for turn in rounds for waiter in turn if waiter is not None]

    def on_capacity(self, *names: str) -> None:
        """Capacity has become free under these names."""
        if self.depth:
            self._grant(names)

    def catch_up(self) -> None:
        """Serve the waiters whose time has come before a new request is served."""
        if self.depth and self._clock() >= self._due_at:
            self.drain()

    def drain(self) -> None:
        """Offer to all waiters until none of them accepts."""
        while self.depth and self._grant(()):
            pass
        self._rearm()

    def _grant(self, names: tuple[str, ...]) -> bool:
        """Serve one waiter that wants one of `names` (none: any); False: none of them accepted."""
        for waiter in self._in_turn(names):
            try:
                granted = waiter.offer()
            except Exception as error:  # noqa: BLE001 - it belongs to the waiter, not to the request that freed the capacity
                self._leave(waiter)
                waiter.granted.set_exception(error)
                return self._grant(names)
            if granted is not None:
                self._leave(waiter)
                line = self._lines.pop(waiter.client, None)
                if line is not None:  # this client's next turn comes after all others'
                    self._lines[waiter.client] = line
                waiter.granted.set_result(granted)
                return True
        return False

    def _in_turn(self, names: tuple[str, ...]) -> Iterator[_Waiter[T]]:
        """Waiters in the order of their turns.

        Once a waiter has declined, later ones of its client whose wants it covers are passed over: otherwise small requests
        could overtake a large one for ever.
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
        if not self.depth:
            self._cancel_timer()

    # timer

    def _set_timer(self, due_s: float | None) -> None:
        if due_s is None:
            return
        due_s = max(due_s, MIN_TIMER_S)
        due_at = self._clock() + due_s
        if due_at >= self._due_at:
            return
        self._cancel_timer()
        self._due_at = due_at
        self._timer = asyncio.get_running_loop().call_later(due_s, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.drain()

    def _rearm(self) -> None:
        self._cancel_timer()
        for waiter in self._in_turn(()):
            self._set_timer(waiter.due_s())

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due_at = math.inf
