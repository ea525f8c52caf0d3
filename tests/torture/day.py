"""A day of traffic of all kinds, as fast as it goes."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.support.wire import Wire
from tests.torture.asking import LEFT, Account
from tests.torture.stage import Figures, clients, drawn, leave, mb, stage

KEYS = [f"key-of-client-{number}" for number in range(20)]


@dataclass(frozen=True)
class Kind:
    """What some clients do, how often, and how it ends. `wish` and `ask` change what is otherwise drawn by lot."""

    weight: int
    ending: str = "answered"
    wish: Mapping[str, Any] = field(default_factory=dict)
    ask: Mapping[str, Any] = field(default_factory=dict)


USUAL, LEAVES, LOST = (
    Kind(800),
    Kind(30, LEFT, wish={"before_s": 0.02, "pace_s": 0.01}),
    Kind(10, "refused", ask={"path": "/v1/no/such/route"}),
)
KINDS = [
    USUAL,
    LEAVES,
    LOST,
    Kind(20, "refused", wish={"status": 400}),
    Kind(10, "failed", wish={"status": 429}),
    Kind(10, "failed", wish={"status": 500}),
    Kind(20, "broken", wish={"words": 5, "breaks_after": 2}, ask={"stream": True}),
    Kind(20, "refused", ask={"model": "no-such-model"}),
    Kind(20, "refused", ask={"key": "of-nobody"}),
    Kind(20, "refused", ask={"body": b'{"model": "auto", "messages": '}),
    Kind(20, "refused", ask={"body": b'{"model": "auto", "max_tokens": 9, "messages": [{"role": 7}]}'}),
]
WEIGHTS = [kind.weight for kind in KINDS]


async def day(
    *,
    requests: int = 200_000,
    warm_up: int = 30_000,
    looks: int = 10,
    conversations: int = 10_000,
    growth_bytes: float = 10e6,
    concurrency: int = 64,
    seed: int = 0,
    upstream: str = "native",
) -> Figures:
    """All kinds of requests, from clients of 20 keys, no prompt twice. The gateway's memory grows by less than `growth_bytes` after
    the warm-up, and its descriptors not at all.

    The warm-up is over when every table that has a limit has reached it. The largest is that of the conversations whose tier is
    remembered: `warm_up` requests are a multiple of its `conversations`.
    """
    random = Random(seed)
    tables = {
        "auth": {"keys": KEYS},
        "routing": {"strategy": "learned", "sticky": {"max_conversations": conversations}},
        "health": {"failure_threshold": 1000},  # each kind has its one right answer, whatever befell the others
        "retry": {"max_attempts": 0},
    }
    async with stage(3, upstream, **tables) as its:
        accounts: list[Account] = []
        lost = 0
        memory: list[int] = []
        left: list[Figures] = []
        since = time.monotonic()
        for part in parts(warm_up, requests, looks):
            told = await hours(its.gateway.url, part, concurrency, random)
            accounts += told
            lost += len(part) - len(told)
            left.append(await its.check_nothing_is_left())
            memory.append(its.gateway.memory_bytes)
        took_s = time.monotonic() - since
        lines = await its.check_same_story(accounts, lost)
    grown = max(memory[1:]) - memory[0]
    assert grown < growth_bytes, f"{grown} bytes after the warm-up: {memory}"
    return {
        "requests": requests,
        "requests_s": round(requests / took_s),
        "endings": dict(Counter(line["ending"] for line in lines)),
        "memory_mb": [mb(each) for each in memory],
        "grown_mb": mb(grown),
        "descriptors": [each["descriptors"] - each["of_idle_connections"] for each in left],
    }


def parts(warm_up: int, requests: int, count: int) -> list[range]:
    """The warm-up, and what comes after it in parts, after each of which the gateway is looked at."""
    marks = [0, *(warm_up + (requests - warm_up) * part // count for part in range(count + 1))]
    return [range(start, stop) for start, stop in itertools.pairwise(marks)]


async def hours(url: str, part: range, concurrency: int, random: Random) -> list[Account]:
    """Of all but those that were LOST."""
    numbers = iter(part)
    accounts: list[Account] = []

    async def client() -> None:
        wire = Wire(url)
        for number in numbers:
            kind = random.choices(KINDS, WEIGHTS)[0]
            filling = f"{number} " * random.randint(0, 200)
            ask = drawn(random, f"d{number}", filling=filling, **kind.wish)
            ask = replace(ask, **{"key": random.choice(KEYS), **kind.ask})
            patience_s = random.random() * 0.1 if kind is LEAVES else 60
            account = await leave(wire, ask, patience_s, rudely=random.random() < 0.5)
            assert account.ending == kind.ending or (kind is LEAVES and account.ending in {"answered", LEFT}), (kind, account)
            if kind is not LOST:
                accounts.append(account)
        wire.close()

    await clients(concurrency, client)
    return accounts
