"""Clients that stop reading."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
from collections.abc import AsyncIterator, Iterator
from random import Random

from octoroute.dialects.response.sse import KEEP_ALIVE
from tests.support.process import Gateway
from tests.support.wire import Wire
from tests.torture.asking import LEFT, Account, Ask
from tests.torture.endpoint import Endpoint, Wish, large
from tests.torture.stage import Figures, Stage, asked, drawn, mb, stage

HELD_BYTES = 512 * 1024
"""The gateway's memory for one reader that is slow. Reading stops above 64 KB and writing above 64 KB, each by at most one piece
more, which is what was read; and a translation has both at once.
"""
RELEASED_S = 5.0
"""For a thousand that leave in the same moment."""
SLACK_BYTES = 16_000_000
"""However many they are: pages that the allocator keeps."""
AHEAD_BYTES = 3_000_000
"""How much of a stream may have left an endpoint while nobody reads it; nearly all of it waits in the kernel's buffers, which
have their own limits (tcp_rmem, tcp_wmem) and are not the gateway's memory.
"""


async def readers(
    *,
    count: int = 1000,
    patient: int = 100,
    crowds: int = 2,
    large_bytes: int = 10_000_000,
    seed: int = 0,
    upstream: str = "native",
    settled_s: float = RELEASED_S,
) -> Figures:
    """`count` clients that stop reading cost HELD_BYTES each, hold their endpoint back, and disturb nobody. `patient` of them read on
    in the end and get every byte; the others leave, and nothing is left of them, so that the next crowd costs no more.
    """
    random = Random(seed)
    accounts: list[Account] = []
    held: list[int] = []
    quiet_s: list[float] = []
    async with stage(1, upstream) as its, watched(its.gateway) as most:
        at_first = its.gateway.memory_bytes
        before = 0
        for number in range(crowds):
            crowd = Crowd(its.gateway.url, f"r{number}", count, large_bytes)
            await crowd.begin()
            sent = await stalled(its.endpoints[0]) - before
            held.append(its.gateway.memory_bytes - at_first)
            busy = await its.busy()
            assert busy == count, f"{busy} of {count} answers are being given"
            assert sent / count < min(AHEAD_BYTES, large_bytes / 2), f"{sent / count} bytes a stream, and nobody reads"
            accounts += await undisturbed(its, random, f"o{number}")
            accounts += await crowd.disperse(random, patient)
            quiet_s.append(await its.quiet(settled_s))
            left = await its.check_nothing_is_left()
            before = (await its.endpoints[0].count())["sent"]
        after = its.gateway.memory_bytes - at_first
        lines = await its.check_same_story(accounts)
    assert most.bytes - at_first < count * HELD_BYTES + SLACK_BYTES, f"{most.bytes - at_first} bytes for {count} readers"
    assert sum(line["ending"] == "abandoned" for line in lines) == crowds * (count - patient)
    memory = {"at_first": mb(at_first), "held": [mb(each) for each in held], "most": mb(most.bytes), "after": mb(after)}
    return {
        "readers": count,
        "memory_mb": memory,
        "sent_ahead_mb_each": mb(sent / count),
        "read_on": crowds * patient,
        "quiet_after_s": [round(each, 2) for each in quiet_s],
        **left,
    }


class Crowd:
    """Clients of large streams, one in four of them translated."""

    def __init__(self, url: str, name: str, count: int, large_bytes: int) -> None:
        dialects = ["anthropic" if number % 4 == 3 else "openai" for number in range(count)]
        self._asks = [Ask(Wish(f"{name}-{n}", large_bytes=large_bytes), of, stream=True) for n, of in enumerate(dialects)]
        self._wires = [Wire(url, room_bytes=16 * 1024) for _ in dialects]

    async def begin(self) -> None:
        await asyncio.gather(*[begin(wire, ask) for wire, ask in zip(self._wires, self._asks, strict=True)])

    async def disperse(self, random: Random, patient: int) -> list[Account]:
        reads_on = set(random.sample(range(len(self._asks)), patient))
        for batch in batches(sorted(reads_on), 50):
            await asyncio.gather(*[finish(self._wires[n], self._asks[n]) for n in batch])
        for number, wire in enumerate(self._wires):
            if number not in reads_on and random.random() < 0.5:
                wire.reset()
            wire.close()
        return [
            Account(ask.wish.id, "answered", 200, "e0", 1) if number in reads_on else Account(ask.wish.id, LEFT)
            for number, ask in enumerate(self._asks)
        ]


async def undisturbed(its: Stage, random: Random, name: str, count: int = 50) -> list[Account]:
    """Other requests, answered meanwhile."""
    wire = Wire(its.gateway.url)
    accounts = [await asked(wire, drawn(random, f"{name}-{number}")) for number in range(count)]
    wire.close()
    assert {account.ending for account in accounts} == {"answered"}
    return accounts


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
    """Bytes that have left it, once they have been no more for a moment."""
    before, sent = -1, 0
    while before != sent or not sent:
        before = sent
        await asyncio.sleep(0.5)
        sent = (await source.count())["sent"]
    return sent


async def finish(wire: Wire, ask: Ask) -> None:
    """Byte for byte what the endpoint says, or word for word where it is translated; keep-alive comments aside."""
    got, last, rest = hashlib.blake2b(), b"", b""
    async for piece in wire.pieces():
        last = piece[-200:]
        if piece == KEEP_ALIVE:
            continue
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
