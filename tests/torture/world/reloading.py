"""Reloads under load: each counts from the next request on, a broken one changes nothing, no client notices, and nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import tomli_w

from tests.support.fake import Fake, completion, slowly, stream, tokens, whole
from tests.support.live_gateway import endpoint, settings, until
from tests.support.process import Gateway
from tests.torture.world.crowd import Crowd, ask
from tests.torture.world.seen import Seen

STEADY, ADMIN = "key-of-the-crowd", "key-of-the-operator"
REFUSED = "the new configuration is not used, the old one stays"
BROKEN = ("[models", "[server]\nport = 70000\n", "", '[[models.fast]]\nname = "one"\nbase_url = "http://x"\ncolour = "red"\n')
EVERY = 5
"""Every so many-th configuration is a broken one."""
WARM = 10
"""Reloads before memory is looked at."""
MAX_GROWTH_BYTES = 10 * 1024 * 1024
MAX_GROWTH_DESCRIPTORS = 16
"""Connections to the endpoints come and go."""
TOKENS_IN, TOKENS_OUT = 7, 3
"""What the fakes say was used."""


def key(number: int) -> str:
    return f"key-of-round-{number}"


def price(number: int) -> dict[str, float]:
    return {"input": 1.0 + number, "output": 2.0 * (1 + number)}


def cost_usd(number: int) -> float:
    its = price(number)
    return (TOKENS_IN * its["input"] + TOKENS_OUT * its["output"]) / 1e6


class Rounds:
    """One gateway, some endpoints, and a configuration for every round: other endpoints, another key, other prices."""

    def __init__(self, directory: Path, fakes: list[Fake], workers: int) -> None:
        self._directory = directory
        self._fakes = fakes
        self._workers = workers
        self.gateway: Gateway

    def ids(self, number: int) -> list[str]:
        """Two of the fakes, others each time; an id may come back with another server behind it."""
        return [f"e{(number + n) % 5}" for n in range(2)]

    def tree(self, number: int) -> dict[str, Any]:
        rows = [
            endpoint(self._fakes[(number * 2 + n) % len(self._fakes)], "one", id=id, price=price(number))
            for n, id in enumerate(self.ids(number))
        ]
        return settings(
            rows,
            server={"port": 0, "workers": self._workers},
            auth={"keys": [STEADY, key(number)], "admin_keys": [ADMIN]},
            observability={"log_format": "json"},
            logging={"traffic": {"enabled": number % 2 == 0, "directory": str(self._directory / "traffic")}},
        )

    async def start(self) -> Gateway:
        self.gateway = await Gateway.start(self._directory, self.tree(0))
        return self.gateway

    def write(self, text: str) -> None:
        """In one go: half a file is another scenario's."""
        new = self._directory / "config.new"
        new.write_text(text)
        new.replace(self._directory / "config.toml")

    async def change(self, number: int, *, by_signal: bool) -> None:
        self.write(tomli_w.dumps(self.tree(number)))
        if by_signal:
            self.gateway.signal(signal.SIGHUP)
        else:
            answer = await self._post_reload()
            assert answer.status_code == 200, answer.text
        await self._in_force(number)

    async def break_(self, number: int, refused: int, *, by_signal: bool) -> None:
        """`refused`: how many have been refused by signal, this one included."""
        self.write(BROKEN[number % len(BROKEN)])
        if by_signal:
            self.gateway.signal(signal.SIGHUP)
            await until(lambda: len(self.gateway.log(REFUSED)) == refused * self._workers, within_s=20)
        else:
            answer = await self._post_reload()
            assert answer.status_code == 400, answer.text

    async def _post_reload(self) -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=self.gateway.url, timeout=30, trust_env=False) as client:
            return await client.post("/admin/config/reload", headers={"x-api-key": ADMIN})

    async def _in_force(self, number: int) -> None:
        """The new key is good, at every worker."""
        async with asyncio.timeout(20):
            while not all([(await ask(self.gateway.url, key=key(number))).status == 200 for _ in range(4 * self._workers - 3)]):
                await asyncio.sleep(0.02)

    async def check(self, number: int, nth: int) -> None:
        """That round `number`'s configuration is the one that counts: its endpoints, its keys, its prices."""
        id = f"check-{nth}"
        answer = await ask(self.gateway.url, key=key(number), headers=f"x-request-id: {id}\r\n")
        assert answer.status == 200, answer
        assert answer.headers["x-octoroute-endpoint"] in self.ids(number), (number, answer.headers)
        assert (await ask(self.gateway.url, key=key(number - 1))).status == 401, "the key of the round before is still good"
        cost = (await self._logged(id))["cost_usd"]
        assert abs(cost - cost_usd(number)) < 1e-9, f"round {number}: {cost}, expected {cost_usd(number)}"

    async def _logged(self, id: str) -> Mapping[str, Any]:
        async with asyncio.timeout(20):
            while True:
                for line in self.gateway.log("request"):
                    if line["request_id"] == id:
                        return line
                await asyncio.sleep(0.05)


async def run(directory: Path, reloads: int, workers: int = 1, clients: int = 8) -> dict[str, Any]:
    async with contextlib.AsyncExitStack() as stack:
        fakes = [Fake(f"f{n}").always(slowly(_by_wish, 0.02)) for n in range(4)]
        for fake in fakes:
            stack.push_async_callback((await fake.start()).kill)
        rounds = Rounds(directory, fakes, workers)
        gateway = await rounds.start()
        stack.push_async_callback(gateway.kill)
        crowd = Crowd(gateway.url, clients, key=STEADY)
        await crowd.until(clients * 2)
        refused, current = 0, 0
        before = after = Seen.of(gateway.pid)
        for nth in range(1, reloads + 1):
            by_signal = nth % 2 == 0
            if nth % EVERY == 0:
                refused += by_signal
                await rounds.break_(nth, refused, by_signal=by_signal)
            else:
                current += 1
                await rounds.change(current, by_signal=by_signal)
            await rounds.check(current, nth)
            after = Seen.of(gateway.pid)
            if nth == min(WARM, reloads - 1):
                before = after
        await crowd.leave()
        code = await gateway.stop()
        assert set(crowd.ended) == {"200"}, f"a client has noticed: {crowd.ended}"
        assert (code, gateway.errors()) == (0, b"")
        assert after.descriptors <= before.descriptors + MAX_GROWTH_DESCRIPTORS, (before, after)
        assert after.threads <= before.threads + workers, (before, after)
        assert after.memory_bytes <= before.memory_bytes + MAX_GROWTH_BYTES * workers, (before, after)
        return {
            "reloads": reloads,
            "workers": workers,
            "answered": crowd.answered,
            "descriptors": [before.descriptors, after.descriptors],
            "threads": [before.threads, after.threads],
            "memory_mb": [round(one.memory_bytes / 1e6, 1) for one in (before, after)],
        }


async def _by_wish(exchange) -> None:
    asked = exchange.seen.json
    step = stream(tokens(usage=True)) if asked.get("stream") else whole(completion())
    await step(exchange)
