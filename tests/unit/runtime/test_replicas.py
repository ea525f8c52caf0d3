"""What replicas tell each other, over a board in memory."""

from __future__ import annotations

import pytest

from octoroute.balancing.health import HealthRegistry
from octoroute.domain.endpoint import Tier
from octoroute.errors import Unreachable
from octoroute.routing.cache_economics import ConversationMemory, StickyOptions
from octoroute.runtime.replicas import LATE_S, Replicas
from octoroute.store.base import StoreUnavailable
from octoroute.store.replica_board import BoardState
from tests.support.parts import endpoint

ENDPOINT = endpoint()


class Board:
    """Shared by all replicas of a test; each sees the reports and news of the others."""

    def __init__(self) -> None:
        self.reports: dict[str, bytes] = {}
        self.news: list[tuple[str, bytes]] = []
        self.is_away = False

    def of(self, name: str) -> BoardSeat:
        return BoardSeat(self, name)


class BoardSeat:
    def __init__(self, board: Board, name: str) -> None:
        self.board, self.name, self.read = board, name, 0

    async def exchange(self, report, news):
        if self.board.is_away:
            raise StoreUnavailable("away")
        self.board.reports[self.name] = report
        if news is not None:
            self.board.news.append((self.name, news))
        found, self.read = self.board.news[self.read :], len(self.board.news)
        others = {name: data for name, data in self.board.reports.items() if name != self.name}
        return BoardState(others, [data for name, data in found if name != self.name])

    async def close(self):
        self.board.reports.pop(self.name, None)


class Replica:
    def __init__(self, board: Board, name: str) -> None:
        self.now = 1000.0 if name == "a" else 50.0
        self.health = HealthRegistry(failure_threshold=1, recovery_s=30.0, clock=lambda: self.now, wall=lambda: 0.0)
        self.memory = ConversationMemory(lambda: self.now)
        self.replicas = Replicas(
            board.of(name),
            self.health,
            self.memory,
            endpoints=lambda: [ENDPOINT],
            queued=lambda: 3,
            sticky=StickyOptions,
            clock=lambda: self.now,
        )

    @property
    def suspects(self) -> bool:
        return self.health.is_suspect(ENDPOINT)


@pytest.fixture
def pair():
    board = Board()
    return Replica(board, "a"), Replica(board, "b")


async def exchange(*replicas: Replica) -> None:
    for replica in replicas:
        replica.now += 0.5
        await replica.replicas.exchange()


async def test_an_endpoint_that_another_replica_has_opened_is_suspect_until_it_closes(pair):
    a, b = pair
    a.health.failed(ENDPOINT, Unreachable("x"))
    await exchange(a, b)
    assert b.suspects
    assert b.health.available(ENDPOINT), "it is asked after all others, and not excluded"
    assert not a.suspects, "it knows by itself"
    await exchange(b, a)
    assert not a.suspects, "a suspicion is not passed on"
    a.health.succeeded(ENDPOINT)
    await exchange(a, b)
    assert not b.suspects


async def test_an_own_success_that_is_newer_counts_for_more(pair):
    a, b = pair
    a.health.failed(ENDPOINT, Unreachable("x"))
    b.health.succeeded(ENDPOINT)
    await exchange(a, b)
    assert not b.suspects
    b.now += 10
    a.now += 10
    a.health.failed(ENDPOINT, Unreachable("x"), trial=True)
    await exchange(a, b)
    assert b.suspects, "it has failed since"
    b.health.succeeded(ENDPOINT)
    await exchange(a, b, a, b)
    assert not b.suspects


async def test_an_own_probe_is_believed_until_the_other_one_fails_again(pair):
    a, b = pair
    a.health.failed(ENDPOINT, Unreachable("x"))
    await exchange(a, b)
    b.health.probe_succeeded(ENDPOINT)
    await exchange(a, b, a, b)
    assert not b.suspects
    a.now += 2 * LATE_S
    b.now += 2 * LATE_S
    a.health.failed(ENDPOINT, Unreachable("x"), trial=True)
    await exchange(a, b)
    assert b.suspects


async def test_a_replica_that_leaves_and_a_board_that_is_away_take_their_hints_along(pair):
    a, b = pair
    lease = a.health.acquire(ENDPOINT)
    a.health.failed(ENDPOINT, Unreachable("x"))
    await exchange(a, b)
    assert (b.suspects, b.replicas.in_flight, b.replicas.reports[0].queued) == (True, {ENDPOINT.id: 1}, 3)
    b.replicas._board.board.is_away = True
    await exchange(b)
    assert (b.suspects, b.replicas.in_flight) == (False, {})
    b.replicas._board.board.is_away = False
    await exchange(b)
    assert b.suspects
    await a.replicas._board.close()
    await exchange(b)
    assert not b.suspects
    lease.release()


async def test_a_conversation_keeps_its_tier_at_every_replica(pair):
    a, b = pair
    a.memory.put(b"one", Tier.DEEP, "learned", 100, 10, limit=10, ttl_s=60.0)
    b.memory.put(b"two", Tier.FAST, "learned", 1, 1, limit=10, ttl_s=60.0)
    await exchange(a, b, a)
    for replica in pair:
        assert replica.memory.get(b"one", 60.0).tier is Tier.DEEP
        assert replica.memory.get(b"two", 60.0).tier is Tier.FAST
    b.now += 5
    a.now += 5
    b.memory.put(b"one", Tier.FAST, "learned", 200, 10, limit=10, ttl_s=60.0)
    await exchange(a, b, a)
    assert a.memory.get(b"one", 60.0).tier is Tier.FAST
    assert a.memory.get(b"one", 4.0) is not None
    assert a.memory.get(b"two", 4.0) is None, "as old as it is at the other one"


async def test_what_another_version_has_written_is_left_out(pair):
    a, b = pair
    await exchange(a)
    board = b.replicas._board.board
    board.reports["c"] = b"\x00nonsense"
    board.news.append(("c", b"\xff"))
    await exchange(b)
    assert len(b.replicas.reports) == 1
