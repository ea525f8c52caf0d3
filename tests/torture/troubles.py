"""Requests while their endpoints are killed, stopped, restarted, and slowed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from random import Random

from tests.support.wire import Wire
from tests.torture.asking import Account, Ask
from tests.torture.endpoint import Endpoint
from tests.torture.stage import Figures, Stage, asked, clients, drawn, stage

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
        befalling = {"killed": self._kill, "stopped": self._stop, "slowed": self._slow, "silenced": self._silence}
        while not self.over:
            await asyncio.sleep(random.uniform(0.05, 0.3))
            if victim in self._spared:
                continue
            trouble = random.choice(sorted(befalling))
            self._suffering.add(victim)
            await befalling[trouble](victim, random)
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


async def troubles(*, requests: int = 10_000, concurrency: int = 64, seed: int = 0, upstream: str = "native") -> Figures:
    """No request fails while one endpoint is fit (see `Trouble`), and client, log, and metrics tell the same story exactly.

    An answer that has begun cannot begin again elsewhere: a stream whose endpoint is killed in the middle ends with an error
    event. That is no failure here, if and only if its endpoint was killed while it ran. A whole answer begins when it is
    complete, so none may break. A stream whose endpoint is stopped goes on when that does.
    """
    random = Random(seed)
    limits = {"server": {"request_timeout_seconds": TIMEOUT_S, "stream_idle_timeout_seconds": 60}}
    async with stage(3, upstream, **limits, health={"recovery_seconds": 0.5}, retry={"max_attempts": 0}) as its:
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
