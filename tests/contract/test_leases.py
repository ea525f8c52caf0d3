"""Every backend of leases keeps the contract of access.leases.base."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from octoroute.access.leases.base import LeaseBackend, LeaseBatch, LeaseGrant, LeaseRefusal, Settlement
from octoroute.access.leases.memory import MemoryLeases
from tests.support import lease_load, redis_server
from tests.support.lease_backends import FAR, charge, make

BACKENDS = ("memory", "sqlite", "postgresql", "redis")
SHARED = ("sqlite", "postgresql", "redis")
PROCESSES = 4


@pytest.fixture(scope="module")
def postgres() -> Iterator[Any]:
    postgresql = pytest.importorskip("tests.support.postgresql")
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with postgresql.running() as server:
        yield server


@pytest.fixture(scope="module")
def redis(tmp_path_factory) -> Iterator[redis_server.RedisServer]:
    pytest.importorskip("redis")
    if redis_server.program() is None:
        pytest.skip("Redis is not installed (Debian: redis-server)")
    server = redis_server.RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


def word_of(kind: str, request, tmp_path) -> str:
    match kind:
        case "sqlite":
            return f"sqlite={tmp_path / 'leases.db'}"
        case "postgresql":
            server = request.getfixturevalue("postgres")
            server.empty()
            return f"postgresql={server.url}"
        case "redis":
            from redis import Redis

            server = request.getfixturevalue("redis")
            with Redis.from_url(server.url) as client:
                client.flushall()
            return f"redis={server.url}"
        case _:
            return "memory="


@pytest.fixture(params=BACKENDS)
def word(request, tmp_path) -> str:
    return word_of(request.param, request, tmp_path)


@pytest.fixture
async def backend(word) -> AsyncIterator[LeaseBackend]:
    made = make(word)
    yield made
    await made.close()


def batch(sequence: int, *reservations, owner: str = "a", **more) -> LeaseBatch:
    return LeaseBatch(owner=owner, sequence=sequence, reservations=reservations, **more)


async def state(backend: LeaseBackend, window: str) -> tuple[int, int]:
    found = (await backend.read([window]))[window]
    return found.spent, found.held


async def test_a_reservation_is_granted_up_to_the_limit_and_says_what_is_left(backend):
    result = await backend.exchange(batch(1, [charge("w", 6, 10)], [charge("w", 5, 10)], [charge("w", 4, 10)]))
    assert [type(verdict) for verdict in result.verdicts] == [LeaseGrant, LeaseRefusal, LeaseGrant]
    assert result.verdicts[0].left == (4,)
    assert (result.verdicts[1].charge.window, result.verdicts[1].left) == ("w", 4)
    assert await state(backend, "w") == (0, 10)


async def test_all_windows_of_a_reservation_or_none(backend):
    await backend.exchange(batch(1, [charge("narrow", 8, 10)]))
    result = await backend.exchange(batch(2, [charge("wide", 5, 100), charge("narrow", 5, 10)]))
    assert result.verdicts[0].charge.window == "narrow"
    assert await state(backend, "wide") == (0, 0)


async def test_a_settlement_replaces_what_was_held_by_what_was_used(backend):
    await backend.exchange(batch(1, [charge("w", 6, 10)]))
    await backend.exchange(batch(2, settlements=[Settlement("w", 6, 2, FAR)]))
    assert await state(backend, "w") == (2, 0)
    await backend.exchange(batch(3, [charge("w", 8, 10)]))
    await backend.exchange(batch(4, settlements=[Settlement("w", 8, 11, FAR)]))
    assert await state(backend, "w") == (13, 0), "more may be used than was reserved"
    result = await backend.exchange(batch(5, [charge("w", 1, 10)]))
    assert result.verdicts[0].left == -3


async def test_settlements_come_before_reservations_of_the_same_batch(backend):
    await backend.exchange(batch(1, [charge("w", 10, 10)]))
    result = await backend.exchange(batch(2, [charge("w", 9, 10)], settlements=[Settlement("w", 10, 1, FAR)]))
    assert isinstance(result.verdicts[0], LeaseGrant)


async def test_a_batch_that_arrives_twice_counts_once(backend):
    await backend.exchange(batch(1, [charge("w", 6, 10)]))
    for _ in range(3):
        await backend.exchange(batch(2, settlements=[Settlement("w", 6, 4, FAR)]))
    assert await state(backend, "w") == (4, 0)
    await backend.exchange(batch(1, [charge("w", 6, 10)]))
    assert await state(backend, "w") == (4, 0)
    await backend.exchange(batch(3, [charge("w", 2, 10)]))
    await backend.exchange(batch(3, is_last=True))
    assert await state(backend, "w") == (4, 0), "the owner leaves all the same"


async def test_owners_share_a_window_and_release_only_what_is_their_own(backend):
    await backend.exchange(batch(1, [charge("w", 6, 10)], owner="a"))
    result = await backend.exchange(batch(1, [charge("w", 6, 10)], owner="b"))
    assert isinstance(result.verdicts[0], LeaseRefusal)
    await backend.exchange(batch(2, owner="b", settlements=[Settlement("w", 6, 1, FAR)]))
    assert await state(backend, "w") == (1, 6)


async def test_an_owner_that_leaves_holds_nothing_and_keeps_what_it_spent(backend):
    await backend.exchange(batch(1, [charge("w", 6, 10)], [charge("v", 2, 10)]))
    await backend.exchange(batch(2, settlements=[Settlement("v", 2, 2, FAR)], is_last=True))
    assert await state(backend, "w") == (0, 0)
    assert await state(backend, "v") == (2, 0)


async def test_holds_are_not_checked(backend):
    await backend.exchange(batch(1, holds=[charge("w", 60, 10)]))
    assert await state(backend, "w") == (0, 60)


async def test_large_amounts_are_exact(backend):
    month = 4_000_000_000_000_000
    await backend.exchange(batch(1, [charge("w", month - 1, month)]))
    await backend.exchange(batch(2, [charge("w", 1, month)], settlements=[Settlement("w", month - 1, month - 1, FAR)]))
    assert await state(backend, "w") == (month - 1, 1)
    result = await backend.exchange(batch(3, [charge("w", 1, month)]))
    assert isinstance(result.verdicts[0], LeaseRefusal)


async def test_leases_of_an_owner_that_is_silent_expire_and_its_late_settlement_counts(word):
    backend = make(word, owner_ttl_s=0.2)
    await backend.exchange(batch(1, [charge("w", 6, 10)], owner="dead"))
    while await state(backend, "w") != (0, 0):
        await asyncio.sleep(0.05)
    result = await backend.exchange(batch(1, [charge("w", 10, 10)], owner="alive"))
    assert isinstance(result.verdicts[0], LeaseGrant)
    result = await backend.exchange(batch(2, owner="dead", settlements=[Settlement("w", 6, 5, FAR)]))
    assert result.has_expired
    spent, _ = await state(backend, "w")
    assert spent == 5
    await backend.close()


async def test_an_owner_that_is_heard_of_has_not_expired(backend):
    await backend.exchange(batch(1, [charge("w", 6, 10)]))
    assert not (await backend.exchange(batch(2))).has_expired


@pytest.mark.parametrize("kind", SHARED)
async def test_backends_decide_like_the_one_in_memory(kind, request, tmp_path):
    backend, model = make(word_of(kind, request, tmp_path)), MemoryLeases(lambda: 1.0)
    chance = random.Random(7)
    sequence = {"a": 0, "b": 0}
    for _ in range(60):
        owner = chance.choice("ab")
        sequence[owner] += 1

        def some(count: int) -> list[str]:
            return chance.sample(["u", "v", "w"], count)

        made = LeaseBatch(
            owner=owner,
            sequence=sequence[owner],
            settlements=[
                Settlement(window, chance.randint(0, 9), chance.randint(0, 5), FAR) for window in some(chance.randint(0, 2))
            ],
            holds=[charge(window, chance.randint(1, 3), 100) for window in some(chance.randint(0, 1))],
            reservations=[
                [charge(window, chance.randint(0, 12), 100 + 50 * len(window)) for window in some(chance.randint(1, 3))]
                for _ in range(chance.randint(0, 4))
            ],
        )
        assert (await backend.exchange(made)).verdicts == list((await model.exchange(made)).verdicts)
    for window in ("u", "v", "w"):
        assert await state(backend, window) == await state(model, window)
    await backend.close()


def start(word: str, attempts: int, limit: int, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", lease_load.__name__, word, str(attempts), str(limit), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("kind", SHARED)
async def test_processes_at_once_admit_nothing_above_the_limit(kind, request, tmp_path):
    word, limit = word_of(kind, request, tmp_path), 1500
    children = [start(word, 250, limit) for _ in range(PROCESSES)]
    reports = [json.loads(child.communicate()[0]) for child in children]
    assert sum(report["refused"] for report in reports), "the limit was reached"
    assert sum(report["spent"] for report in reports) <= limit
    backend = make(word)
    spent, held = await state(backend, "key:a|usd|day")
    assert spent == sum(report["spent"] for report in reports)
    assert held == 0, "processes that end give back what they hold"
    await backend.close()


@pytest.mark.parametrize("kind", SHARED)
async def test_what_a_killed_process_held_is_released(kind, request, tmp_path):
    word = word_of(kind, request, tmp_path)
    child = start(word, 100, 10_000, "open")
    assert child.stdout is not None
    report = json.loads(await asyncio.to_thread(child.stdout.readline))
    backend = make(word, owner_ttl_s=lease_load.TTL_S)
    _, held = await state(backend, "key:a|usd|day")
    assert held >= report["held"] > 0
    child.kill()
    child.wait()
    while (await state(backend, "key:a|usd|day"))[1]:
        await asyncio.sleep(0.05)
    await backend.close()
    with contextlib.suppress(OSError):
        child.stdout.close()
