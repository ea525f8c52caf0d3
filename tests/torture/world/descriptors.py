"""More clients than there are descriptors: whoever is connected gets an answer or a clean error, nothing spins, nothing is blamed on
the endpoints, and afterwards all is as before.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.fake import Fake, by_wish, slowly
from tests.support.live_gateway import endpoint, question, settings, until
from tests.support.process import Gateway
from tests.torture.world.crowd import Line, ask

MOST = 64
CLIENTS = 100
LOOK_S = 1.0
MOST_LINES = 20
"""That are not about somebody's request, a round."""
RELOADED = {"configuration reloaded", "the new configuration is not used, the old one stays"}


class Scene:
    def __init__(self, gateway: Gateway, fakes: list[Fake]) -> None:
        self.gateway = gateway
        self.fakes = fakes
        self.ended: Counter[str] = Counter()

    @classmethod
    async def start(cls, stack: contextlib.AsyncExitStack, directory: Path) -> Scene:
        fakes = [Fake(name).always(slowly(by_wish, 0.05)) for name in ("one", "two")]
        for fake in fakes:
            stack.push_async_callback((await fake.start()).kill)
        tree = settings([endpoint(fake, "model", id=fake.name) for fake in fakes])
        gateway = await Gateway.start(directory, tree, before=["prlimit", f"--nofile={MOST}:{MOST}"])
        stack.push_async_callback(gateway.kill)
        return cls(gateway, fakes)

    async def round(self) -> float:
        """What share of a processor it takes while nobody says anything and nobody else can come in."""
        said = self._said()
        async with contextlib.AsyncExitStack() as stack:
            lines = await self._crowd_in(stack)
            spent = await self._processor_share()
            await self._reload()
            bodies = [json.dumps(question(stream=number % 2 == 0)).encode() for number in range(len(lines))]
            async with asyncio.timeout(60):
                self.ended += Counter(await asyncio.gather(*map(_ended, lines, bodies)))
        await self._as_before()
        assert self._said() - said <= MOST_LINES, f"it has filled its log: {Counter(line['event'] for line in self.gateway.log())}"
        return spent

    async def _crowd_in(self, stack: contextlib.AsyncExitStack) -> list[Line]:
        """As many as like; it cannot have them all."""
        lines: list[Line] = []
        for _ in range(CLIENTS):
            with contextlib.suppress(ConnectionError):
                lines.append(await Line.open(self.gateway.url))
                stack.callback(lines[-1].close)
        return lines

    async def _processor_share(self) -> float:
        before, since = _processor_s(self.gateway.pid), time.monotonic()
        await asyncio.sleep(LOOK_S)
        share = (_processor_s(self.gateway.pid) - before) / (time.monotonic() - since)
        assert share < 0.5, f"it does nothing, and takes {share:.0%} of a processor"
        return share

    async def _reload(self) -> None:
        """It may not be able to read its configuration; then the old one stays."""
        before = self._reloads()
        self.gateway.signal(signal.SIGHUP)
        await until(lambda: self._reloads() > before, within_s=20)

    def _reloads(self) -> int:
        return sum(line["event"] in RELOADED for line in self.gateway.log())

    def _said(self) -> int:
        """Lines that are not about somebody's request."""
        return sum("request_id" not in line for line in self.gateway.log())

    async def _as_before(self) -> None:
        """At once, and from both."""
        await until(lambda: self.gateway.descriptors <= MOST - 2 * len(self.fakes), within_s=20)
        answers = [await ask(self.gateway.url, model=fake.name) for fake in self.fakes for _ in range(3)]
        assert {answer.status for answer in answers} == {200}, answers
        opened = self.gateway.log("breaker.opened")
        assert not opened, f"an endpoint is blamed for what we lack: {opened[0]}"


async def _ended(line: Line, body: bytes) -> str:
    """A status, or `not let in`: closed without a word."""
    try:
        answer = await line.ask(body, "connection: close\r\n")
    except asyncio.IncompleteReadError as error:
        assert not error.partial, f"an answer has been cut: {error.partial!r}"
        return "not let in"
    except ConnectionError:
        return "not let in"
    if answer.status == 200:
        assert answer.complete, answer
    else:
        assert answer.status in {502, 503} and json.loads(answer.body)["error"]["message"], answer
    return str(answer.status)


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def run(directory: Path, rounds: int) -> dict[str, Any]:
    async with contextlib.AsyncExitStack() as stack:
        scene = await Scene.start(stack, directory)
        before = scene.gateway.descriptors
        shares = [await scene.round() for _ in range(rounds)]
        after = scene.gateway.descriptors
        assert await scene.gateway.stop() == 0
        assert scene.gateway.errors() == b"", scene.gateway.errors()
        assert scene.ended["200"] >= rounds, f"nobody was served: {scene.ended}"
        return {
            "rounds": rounds,
            "ended": dict(scene.ended),
            "most_of_a_processor_while_full": round(max(shares), 2),
            "descriptors": [before, after],
        }
