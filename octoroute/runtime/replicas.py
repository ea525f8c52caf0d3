"""What a replica learns from the others, twice a second: open circuits, requests in flight, and the tiers of conversations.

These are hints: no request waits for them, and without them every replica decides by what it has seen itself. An endpoint that
another replica has found to be down is asked last here, until it answers here or the other one closes its circuit; a success that
is newer than the other one's opening counts for more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec
import structlog

from octoroute.balancing.health import HealthRegistry
from octoroute.domain.decision import ConversationState
from octoroute.domain.endpoint import Endpoint
from octoroute.routing.cache_economics import ConversationMemory, StickyOptions
from octoroute.store.base import StoreUnavailable
from octoroute.store.replica_board import BoardState

INTERVAL_S = 0.5
MAX_CONVERSATIONS = 2000
"""Told in one exchange; the oldest of more are not."""
LATE_S = 2 * INTERVAL_S
"""How old what a report says may be when it is read."""
SUSPICION = "the circuit of another replica is open"

log = structlog.stdlib.get_logger("octoroute.replicas")


class ReplicaReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one replica, about the endpoints that it has something to say of."""

    open_s: Mapping[str, float] = {}
    """By endpoint id: for how many seconds its circuit has not been closed."""
    in_flight: Mapping[str, int] = {}
    queued: int = 0


class ToldConversation(msgspec.Struct, frozen=True, array_like=True):
    key: bytes
    state: ConversationState
    """`answered_at` is 0."""
    age_s: float
    """Since its answer."""


class ReplicaBoard(Protocol):
    async def exchange(self, report: bytes, news: bytes | None) -> BoardState: ...

    async def close(self) -> None: ...


_T = TypeVar("_T")

_REPORT = msgspec.msgpack.Decoder(ReplicaReport)
_TOLD = msgspec.msgpack.Decoder(list[ToldConversation])


class Replicas:
    def __init__(
        self,
        board: ReplicaBoard,
        health: HealthRegistry,
        conversations: ConversationMemory,
        *,
        endpoints: Callable[[], Iterable[Endpoint]],
        queued: Callable[[], int],
        sticky: Callable[[], StickyOptions],
        clock: Callable[[], float],
    ) -> None:
        """`endpoints` returns the present ones, `queued` the length of the queue, `sticky` the present options."""
        self._board = board
        self._health = health
        self._conversations = conversations
        self._endpoints = endpoints
        self._queued = queued
        self._sticky = sticky
        self._clock = clock
        self.reports: Sequence[ReplicaReport] = ()
        """Of the other replicas."""
        self.in_flight: Mapping[str, int] = {}
        """Requests of the other replicas by endpoint id."""
        self._openings: dict[str, float] = {}
        """By endpoint id: when the others have opened its circuit last, by this clock."""
        self._is_away = False
        conversations.tells = True

    async def run(self) -> None:
        """Exchange for ever."""
        try:
            while True:
                await self.exchange()
                await asyncio.sleep(INTERVAL_S)
        finally:
            await self._board.close()

    async def exchange(self) -> None:
        """Tell the others and learn from them. While the board is away nothing is known of them."""
        told = self._told()
        try:
            state = await self._board.exchange(
                msgspec.msgpack.encode(self._report()), msgspec.msgpack.encode(told) if told else None
            )
        except StoreUnavailable as error:
            if not self._is_away:
                log.warning("other replicas cannot be heard of; this one goes by what it sees itself", error=str(error))
            self._is_away = True
            state = BoardState({}, ())
        else:
            self._is_away = False
        self._learn(state)

    def _report(self) -> ReplicaReport:
        now, open_s, in_flight = self._clock(), dict[str, float](), dict[str, int]()
        for endpoint in self._endpoints():
            breaker = self._health.breaker(endpoint)
            if breaker.opened_at is not None:
                open_s[endpoint.id] = now - breaker.opened_at
            if breaker.in_flight:
                in_flight[endpoint.id] = breaker.in_flight
        return ReplicaReport(open_s=open_s, in_flight=in_flight, queued=self._queued())

    def _told(self) -> list[ToldConversation]:
        now = self._clock()
        return [
            ToldConversation(key, msgspec.structs.replace(state, answered_at=0.0), now - state.answered_at)
            for key, state in self._conversations.take_changed()[-MAX_CONVERSATIONS:]
        ]

    def _learn(self, state: BoardState) -> None:
        self.reports = list(_decoded(_REPORT, state.reports.values()))
        now, sticky = self._clock(), self._sticky()
        in_flight: dict[str, int] = {}
        opened_at: dict[str, float] = {}
        for report in self.reports:
            for id, count in report.in_flight.items():
                in_flight[id] = in_flight.get(id, 0) + count
            for id, seconds in report.open_s.items():
                opened_at[id] = max(opened_at.get(id, 0.0), now - seconds)
        self.in_flight = in_flight
        self._suspect(opened_at)
        for told in _decoded(_TOLD, state.news):
            for one in told:
                answered = msgspec.structs.replace(one.state, answered_at=now - one.age_s)
                self._conversations.learn(one.key, answered, limit=sticky.max_conversations, ttl_s=sticky.ttl_s)

    def _suspect(self, opened_at: Mapping[str, float]) -> None:
        """Each opening counts once, so that a probe that succeeds here is not undone by it. Reports are some time on their way."""
        for endpoint in self._endpoints():
            since, before = opened_at.get(endpoint.id), self._openings.get(endpoint.id)
            if since is None:
                if before is not None:
                    del self._openings[endpoint.id]
                    self._health.suspect(endpoint, SUSPICION, None)
            elif before is None or since > before + LATE_S:
                self._openings[endpoint.id] = since
                self._health.suspect(endpoint, SUSPICION, since - LATE_S)


def _decoded(decoder: msgspec.msgpack.Decoder[_T], found: Iterable[bytes]) -> Iterable[_T]:
    """Without what another version has written in another way."""
    for data in found:
        try:
            yield decoder.decode(data)
        except msgspec.DecodeError:
            continue
