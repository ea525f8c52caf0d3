"""The gateway, a process on real sockets, under load: `python tests/torture/load.py --all`, or some of them by name.

faults   10,000 requests at concurrency 64 while endpoints are killed, stopped, restarted, and slowed: `faults`
hangups  clients that leave at any moment, for a minute: `hangups`
readers  1,000 clients that stop reading 10 MB each: `readers`
day      24 hours of traffic in 200,000 requests: `day`

Each prints its figures as a line of JSON and raises AssertionError when a promise is broken. What is drawn by lot comes from
`--seed`; what the machine makes of it does not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import hashlib
import itertools
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.house import endpoint, settings
from tests.support.process import Gateway, total
from tests.support.wire import Answer, Wire
from tests.torture.asking import LEFT, Account, Ask, check_lines, check_metrics
from tests.torture.endpoint import Endpoint, Wish, large

SETTLED_S = 1.0
"""How soon after the last hang-up nothing may be left of it at an endpoint."""

Figures = dict[str, Any]


@dataclass
class Stage:
    gateway: Gateway
    endpoints: list[Endpoint]
    idle_descriptors: int
    """Of the gateway, without any connection."""

    async def busy(self) -> int:
        """Answers that endpoints are giving."""
        return sum([(await endpoint.count())["busy"] for endpoint in self.endpoints])

    async def quiet(self, within_s: float) -> float:
        """Seconds until no endpoint is busy."""
        since = time.monotonic()
        async with asyncio.timeout(10 * within_s):
            while await self.busy():
                await asyncio.sleep(0.01)
        took_s = time.monotonic() - since
        assert took_s <= within_s, f"endpoints were busy for another {took_s:.2f} s"
        return took_s

    async def check_nothing_is_left(self) -> Figures:
        """No place is taken, and there is a descriptor for each idle connection to an endpoint, and none besides.

        Closing takes the gateway another turn of its loop, so this waits a little for it.
        """
        metrics = await self.gateway.metrics()
        for gauge in ("octoroute_inflight_requests", "octoroute_endpoint_inflight", "octoroute_queue_depth"):
            assert total(metrics, gauge) == 0, gauge
        for _ in range(100):
            idle = sum([(await endpoint.count())["connections"] for endpoint in self.endpoints])
            if self.gateway.descriptors == self.idle_descriptors + idle:
                return {"descriptors": self.gateway.descriptors, "of_idle_connections": idle}
            await asyncio.sleep(0.05)
        raise AssertionError(
            f"{self.gateway.descriptors} descriptors, of {idle} idle connections and {self.idle_descriptors} others"
        )

    async def check_same_story(self, accounts: list[Account], lost: int = 0) -> list[dict[str, Any]]:
        """Client, log, and metrics. Stops the gateway, so that the log is complete; returns it.

        `lost`: how many looked for a route that does not exist. They asked for no model, and have no line.
        """
        asked = [request_id for endpoint in self.endpoints for request_id in await endpoint.asked()]
        metrics = await self.gateway.metrics()
        assert await self.gateway.stop() == 0
        assert self.gateway.errors() == b""
        lines = self.gateway.log("request")
        check_lines(accounts, lines, asked)
        check_metrics(lines, metrics, lost)
        return lines


@contextlib.asynccontextmanager
async def stage(count: int, **tables: Any) -> AsyncIterator[Stage]:
    """A gateway in front of so many replicas of one model, in tier fast."""
    async with contextlib.AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        endpoints = [Endpoint(f"e{number}") for number in range(count)]
        for each in endpoints:
            stack.push_async_callback(each.kill)
        await asyncio.gather(*[each.start() for each in endpoints])
        rows = [endpoint(each.url, id=each.id) for each in endpoints]
        gateway = await Gateway.start(directory, settings(rows, **tables))
        stack.push_async_callback(gateway.kill)
        yield Stage(gateway, endpoints, gateway.descriptors)


async def clients(count: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(work())


def drawn(random: Random, name: str, **wish: Any) -> Ask:
    """Some request for one of the replicas."""
    return Ask(
        Wish(name, **{"words": random.randint(1, 20), **wish}),
        dialect=random.choice(["openai", "anthropic"]),
        stream=random.random() < 0.5,
        model=random.choice(["auto", "fast", "model-a"]),
    )


async def asked(wire: Wire, ask: Ask) -> Account:
    since = time.monotonic()
    answer = await wire.ask(ask.request())
    return Account.of(ask, answer, since, time.monotonic())


# endpoints in trouble

TIMEOUT_S = 2
WALK_S = 5.0
"""Longer than a request may need to find the one that is fit: two others that say nothing for TIMEOUT_S."""


class Trouble:
    """What befalls the endpoints. One of them, the keeper, is spared, so that one is fit at any time.

    Fit is who is alive, runs, answers within the time limit, and whose circuit is closed. A request asks one endpoint after the
    other, so it must be the same one that is fit for as long as that can take: a keeper hands over only to an heir that
    the gateway has seen fit, without a failure in a row, for WALK_S; both are spared meanwhile.
    """

    def __init__(self, stage: Stage, random: Random) -> None:
        self._stage = stage
        self._random = random
        self._spared = {stage.endpoints[0]}
        self._suffering: set[Endpoint] = set()
        self.killed: list[tuple[str, float]] = []
        self.done: Counter[str] = Counter()
        self.over = False
        """Set it, and what has begun comes to its end."""

    async def rage(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._handovers())
            for each in self._stage.endpoints:
                group.create_task(self._befall(each))

    async def _befall(self, victim: Endpoint) -> None:
        random = self._random
        troubles = {"killed": self._kill, "stopped": self._stop, "slowed": self._slow, "silenced": self._silence}
        while not self.over:
            await asyncio.sleep(random.uniform(0.05, 0.3))
            if victim in self._spared:
                continue
            trouble = random.choice(sorted(troubles))
            self._suffering.add(victim)
            await troubles[trouble](victim, random)
            self._suffering.remove(victim)
            self.done[trouble] += 1

    async def _kill(self, victim: Endpoint, random: Random) -> None:
        self.killed.append((victim.id, time.monotonic()))
        await victim.kill()
        await asyncio.sleep(random.uniform(0, 1.5))
        await victim.start()

    async def _stop(self, victim: Endpoint, random: Random) -> None:
        victim.pause()
        await asyncio.sleep(random.uniform(0.1, 1.5 * TIMEOUT_S))
        victim.resume()

    async def _slow(self, victim: Endpoint, random: Random) -> None:
        await victim.slow(random.uniform(0.05, TIMEOUT_S / 4))
        await asyncio.sleep(random.uniform(0.2, 2))
        await victim.slow(0)

    async def _silence(self, victim: Endpoint, random: Random) -> None:
        """So slow that nobody waits for it."""
        await victim.slow(10 * TIMEOUT_S)
        await asyncio.sleep(random.uniform(0.2, 2))
        await victim.slow(0)

    async def _handovers(self) -> None:
        while not self.over:
            await asyncio.sleep(self._random.uniform(0, 8))
            heir = self._random.choice([each for each in self._stage.endpoints if each not in self._spared])
            self._spared.add(heir)
            since = time.monotonic()
            while time.monotonic() - since < WALK_S and not self.over:
                if heir in self._suffering or not await self._fit(heir):
                    since = time.monotonic()
                await asyncio.sleep(0.1)
            if not self.over:
                self._spared = {heir}
                self.done["handed over"] += 1

    async def _fit(self, heir: Endpoint) -> bool:
        rows = (await self._stage.gateway.get("/models")).json()["models"]
        row = next(row for row in rows if row["id"] == heir.id)
        return row["circuit"] == "closed" and row["consecutive_failures"] == 0


async def faults(requests: int = 10_000, concurrency: int = 64, seed: int = 0) -> Figures:
    """No request fails while one endpoint is fit (see `Trouble`), and client, log, and metrics tell the same story exactly.

    An answer that has begun cannot begin again elsewhere: a stream whose endpoint is killed in the middle ends with an error
    event. That is no failure here, if and only if its endpoint was killed while it ran. A whole answer begins when it is
    complete, so none may break. A stream whose endpoint is stopped goes on when that does.
    """
    random = Random(seed)
    limits = {"server": {"request_timeout_seconds": TIMEOUT_S, "stream_idle_timeout_seconds": 60}}
    async with stage(3, **limits, health={"recovery_seconds": 0.5}, retry={"max_attempts": 0}) as its:
        trouble = Trouble(its, Random(seed + 1))
        numbers = iter(range(requests))
        accounts: list[Account] = []

        async def client() -> None:
            wire = Wire(its.gateway.url)
            for number in numbers:
                ask = drawn(random, f"f{number}", before_s=random.random() * 0.2, pace_s=random.choice([0, 0.01, 0.05]))
                accounts.append(await asked(wire, ask))
                check_fall_over(ask, accounts[-1], trouble.killed)
            wire.close()

        since = time.monotonic()
        raging = asyncio.ensure_future(trouble.rage())
        try:
            await clients(concurrency, client)
        finally:
            took_s = time.monotonic() - since
            trouble.over = True
            await raging
        await its.quiet(TIMEOUT_S)
        left = await its.check_nothing_is_left()
        lines = await its.check_same_story(accounts)
    assert len(accounts) == requests
    return {
        "requests": requests,
        "seconds": round(took_s, 1),
        "endings": dict(Counter(account.ending for account in accounts)),
        "troubles": dict(trouble.done),
        "failed_attempts": dict(Counter(a["error"] for line in lines for a in line["attempts"] if a["error"])),
        "fell_over": sum(len(line["attempts"]) > 1 for line in lines),
        **left,
    }


def check_fall_over(ask: Ask, account: Account, killed: list[tuple[str, float]]) -> None:
    if account.ending == "broken":
        assert ask.stream
        deaths = [at for endpoint_id, at in killed if endpoint_id == account.endpoint]
        assert any(account.since <= at <= account.until for at in deaths), (
            f"{account} broke, and nobody killed its endpoint: {deaths}"
        )
    else:
        assert account.ending == "answered", account


# clients that leave


async def leave(wire: Wire, ask: Ask, patience_s: float, *, rudely: bool) -> Account:
    """Hang up on it when it is not there in time."""
    since = time.monotonic()
    try:
        await wire.send(ask.request())
        async with asyncio.timeout(patience_s):
            head = await wire.head()
            answer = Answer(head.status, head.headers, b"".join([piece async for piece in wire.pieces()]))
        return Account.of(ask, answer, since, time.monotonic())
    except TimeoutError:
        if rudely:
            wire.reset()
        wire.close()
        return Account(ask.wish.id, LEFT)


async def storm(url: str, seconds: float, concurrency: int, seed: int) -> list[Account]:
    """Requests whose clients leave at once, before the first event, in the middle, or after the end; in the end all at once."""
    random = Random(seed)
    numbers = itertools.count()
    accounts: list[Account] = []
    until = time.monotonic() + seconds

    async def client() -> None:
        wire = Wire(url)
        while (remains_s := until - time.monotonic()) > 0:
            slowness = {"before_s": random.random() * 0.4, "pace_s": random.choice([0, 0.01, 0.05])}
            ask = drawn(random, f"h{next(numbers)}", **slowness)
            patience_s = random.choice([0, random.random() * 0.05, random.random() * 0.6, random.random() * 0.6, 30])
            accounts.append(await leave(wire, ask, min(patience_s, remains_s), rudely=random.random() < 0.5))
        wire.close()

    await clients(concurrency, client)
    return accounts


async def hangups(seconds: float = 60, concurrency: int = 64, seed: int = 0, settled_s: float = SETTLED_S) -> Figures:
    """When the last client has left, the endpoints are asked nothing any more, and nothing is left open; each request is settled
    once. A client that leaves before its request is taken up may leave no trace, if no endpoint was asked for it.
    """
    async with stage(2) as its:
        accounts = await storm(its.gateway.url, seconds, concurrency, seed)
        quiet_s = await its.quiet(settled_s)
        left = await its.check_nothing_is_left()
        lines = await its.check_same_story(accounts)
    abandoned = [line for line in lines if line["ending"] == "abandoned"]
    seen = Counter("after the first event" if "first_event_ms" in line else "before" for line in abandoned)
    assert len(seen) == 2, f"not all kinds of hang-ups have happened: {seen}"
    assert all(line["status"] == (200 if "first_event_ms" in line else 499) for line in abandoned)
    return {
        "requests": len(accounts),
        "endings": dict(Counter(account.ending for account in accounts)),
        "abandoned": dict(seen),
        "quiet_after_s": round(quiet_s, 2),
        **left,
    }


# clients that do not read

HELD_BYTES = 512 * 1024
"""The gateway's memory for one reader that is slow. Reading stops above 64 KB and writing above 64 KB, each by at most one piece
more, which is what was read; and a translation has both at once.
"""
AHEAD_BYTES = 3_000_000
"""How much of a stream may have left an endpoint while nobody reads it; nearly all of it waits in the kernel's buffers, which
have their own limits (tcp_rmem, tcp_wmem) and are not the gateway's memory.
"""


async def readers(
    count: int = 1000, patient: int = 200, large_bytes: int = 10_000_000, seed: int = 0, settled_s: float = SETTLED_S
) -> Figures:
    """Many clients that stop reading cost HELD_BYTES each, hold their endpoints back, and disturb nobody. `patient` of them read on
    in the end and get every byte; the others leave, and nothing is left of them.
    """
    random = Random(seed)
    async with stage(1) as its, watched(its.gateway) as most:
        at_first = its.gateway.memory_bytes
        asks = [
            Ask(Wish(f"r{n}", large_bytes=large_bytes), "anthropic" if n % 4 == 3 else "openai", stream=True) for n in range(count)
        ]
        wires = [Wire(its.gateway.url, room_bytes=16 * 1024) for _ in asks]
        await asyncio.gather(*[begin(wire, ask) for wire, ask in zip(wires, asks, strict=True)])
        sent = await stalled(its.endpoints[0])
        held = its.gateway.memory_bytes - at_first
        assert await its.busy() == count
        assert sent / count < min(AHEAD_BYTES, large_bytes / 2), f"{sent / count} bytes a stream, and nobody reads"

        others = Wire(its.gateway.url)
        accounts = [await asked(others, drawn(random, f"o{n}")) for n in range(50)]
        others.close()
        assert {account.ending for account in accounts} == {"answered"}

        read_on = set(random.sample(range(count), patient))
        for batch in batches(sorted(read_on), 50):
            await asyncio.gather(*[finish(wires[n], asks[n]) for n in batch])
        for number, wire in enumerate(wires):
            if number not in read_on and random.random() < 0.5:
                wire.reset()
            wire.close()
        quiet_s = await its.quiet(settled_s)
        left = await its.check_nothing_is_left()
        assert most.bytes - at_first < count * HELD_BYTES, f"{most.bytes - at_first} bytes for {count} readers"
        accounts += [
            Account(ask.wish.id, "answered", 200, its.endpoints[0].id, 1) if number in read_on else Account(ask.wish.id, LEFT)
            for number, ask in enumerate(asks)
        ]
        lines = await its.check_same_story(accounts)
    assert sum(line["ending"] == "abandoned" for line in lines) == count - patient
    return {
        "readers": count,
        "memory_mb": {"at_first": mb(at_first), "held": mb(held), "most": mb(most.bytes), "after": mb(most.last)},
        "sent_ahead_mb_each": mb(sent / count),
        "read_on": patient,
        "quiet_after_s": round(quiet_s, 2),
        **left,
    }


class Most:
    """The most memory that was seen."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.bytes = self.last = 0

    async def watch(self) -> None:
        while True:
            self.last = self._gateway.memory_bytes
            self.bytes = max(self.bytes, self.last)
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def watched(gateway: Gateway) -> AsyncIterator[Most]:
    most = Most(gateway)
    watching = asyncio.ensure_future(most.watch())
    try:
        yield most
    finally:
        watching.cancel()


async def begin(wire: Wire, ask: Ask) -> None:
    await wire.send(ask.request())
    assert (await wire.head()).status == 200


async def stalled(source: Endpoint) -> int:
    """Bytes that have left it, once they are no more than a second ago."""
    before, sent = -1, 0
    while before != sent or not sent:
        before = sent
        await asyncio.sleep(1)
        sent = (await source.count())["sent"]
    return sent


async def finish(wire: Wire, ask: Ask) -> None:
    """Byte for byte what the endpoint says, or word for word where it is translated."""
    got, last, rest = hashlib.blake2b(), b"", b""
    async for piece in wire.pieces():
        last = piece[-200:]
        if ask.dialect == "openai":
            got.update(piece)
        else:
            frames, end, rest = (rest + piece).rpartition(b"\n\n")
            got.update(ask.says(frames + end).encode())
    assert got.digest() == sent_whole(ask.dialect, ask.wish.large_bytes), f"{ask.wish.id} is not what was sent; at last {last!r}"


@functools.lru_cache(maxsize=2)
def sent_whole(dialect: str, large_bytes: int) -> bytes:
    """The digest of what a client of that dialect should have in the end."""
    frames = b"".join(large(large_bytes))
    return hashlib.blake2b(frames if dialect == "openai" else Ask(Wish(""), stream=True).says(frames).encode()).digest()


def batches(items: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def mb(size: float) -> float:
    return round(size / 1e6, 2)


# a day

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
    requests: int = 200_000,
    warm_up: int = 30_000,
    looks: int = 10,
    conversations: int = 10_000,
    growth_bytes: float = 10e6,
    concurrency: int = 64,
    seed: int = 0,
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
    async with stage(3, **tables) as its:
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


SCENARIOS: dict[str, Callable[..., Coroutine[Any, Any, Figures]]] = {
    "faults": faults,
    "hangups": hangups,
    "readers": readers,
    "day": day,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*SCENARIOS, []], metavar="NAME", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    names = list(SCENARIOS) if args.all else args.names
    if not names:
        parser.error("which? give names, or --all")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection each way for every slow reader
    for name in names:
        since = time.monotonic()
        figures = uvloop.run(SCENARIOS[name](seed=args.seed))
        print(json.dumps({"name": name, **figures, "took_s": round(time.monotonic() - since, 1)}), flush=True)  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(main())
