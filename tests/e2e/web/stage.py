"""A gateway as a team has it, with a week of traffic behind it: what the dashboard's tests and pictures show."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from octoroute.config.file import ConfigFile
from tests.support.fake import Exchange, Fake, Step, chunk, completion, error, stream, tokens, whole
from tests.support.live_gateway import LiveGateway, endpoint, question, settings

ADMIN, VIEWER, WEB, AGENTS, INGEST = (
    "key-of-the-operator",
    "key-of-the-viewer",
    "key-of-the-web",
    "key-of-the-agents",
    "key-of-ingest",
)
DAYS = 7
MODELS = {"home": "llama3.2:3b", "mini": "gpt-4.1-mini", "pro": "claude-sonnet", "opus": "claude-opus"}
"""By endpoint."""
EASY = (
    "hello there",
    "What is the capital of France?",
    "Translate 'good morning' to Spanish.",
    "Thanks!",
    "Fix the typo in: teh cat",
)
HARD = (
    "Prove that there are infinitely many primes congruent to 3 modulo 4, and generalise the argument step by step.",
    "Refactor this service into hexagonal architecture, keep the API compatible, and explain each trade-off in detail: "
    + "x " * 400,
    "Design a lock-free queue for many producers, and prove that it is linearizable under the C++ memory model.",
)
MIDDLE = (
    "Write a Python function that merges overlapping intervals, with tests.",
    "Summarise the differences between TCP and QUIC.",
)


SAID = (
    "Sort the intervals by their start, then walk over them once. Keep the last one that was written: if the next begins before it ends, "
    "extend it, otherwise write the next. Sorting takes n log n steps, and the walk takes n. An empty list stays empty, intervals that only "
    "touch are merged, and one inside another disappears. The tests try these three cases, and a few hundred random ones."
)


class MovingClock:
    """Seconds since the epoch, some of them ago."""

    def __init__(self, ago_s: float) -> None:
        self.ago_s = ago_s

    def __call__(self) -> float:
        return time.time() - self.ago_s


class Pace:
    """The seconds between two tokens of a stream."""

    pause_s = 0.0


def speaking(words: int, prompt: int, pace: Pace) -> Step:
    """A server that answers so many words, and counts so many tokens of the prompt."""
    usage = {"prompt_tokens": prompt, "completion_tokens": words, "total_tokens": prompt + words}
    text = " ".join(itertools.islice(itertools.cycle(SAID.split()), words))

    def step(exchange: Exchange) -> Awaitable[None]:
        if not exchange.seen.json.get("stream"):
            return whole(completion(text, usage=usage))(exchange)
        pieces: list[bytes | float] = []
        for frame in tokens(text.split()[:60])[:-1]:
            pieces += [frame, pace.pause_s] if pace.pause_s else [frame]
        return stream([*pieces, chunk({}, choices=[], usage=usage), b"data: [DONE]\n\n"])(exchange)

    return step


class Stage:
    def __init__(self, gateway: LiveGateway, fakes: dict[str, Fake], answers: Mapping[str, Step], clock: MovingClock) -> None:
        self.gateway = gateway
        self.fakes = fakes
        self.answers = answers
        self.clock = clock
        self._open: list[asyncio.Task[Any]] = []

    async def ask(self, text: str, key: str, **more: Any) -> int:
        headers = {"authorization": f"Bearer {key}"}
        if more.get("stream"):
            return (await self.gateway.streamed(question(text, **more), headers=headers))[0].status_code
        return (await self.gateway.ask(question(text, **more), headers=headers)).status_code

    async def week(self, requests: int) -> None:
        """So many requests over the last days, most by day, with a fault in the middle of them."""
        chance = random.Random(7)
        moments = sorted(DAYS * 86400 * (1 - chance.random() ** 1.3) for _ in range(requests))
        for number, ago_s in enumerate(reversed(moments)):
            self.clock.ago_s = ago_s
            if number % 17 == 5:
                self.fakes["home"].then(error(500, "out of memory"))
            if number % 29 == 7:
                self.fakes["mini"].then(error(429, "slow down", {"retry-after": "1"}))
            text = chance.choice(EASY * 2 + MIDDLE + HARD)
            await self.ask(text, chance.choice((WEB, WEB, AGENTS, INGEST)), **({"stream": True} if number % 3 else {}))
        self.clock.ago_s = 0.0

    async def fail(self, name: str, requests: int = 4) -> None:
        """An endpoint that fails so many requests in a row, which opens its circuit."""
        fake = self.fakes[name].always(error(500, "the model has crashed"))
        for _ in range(requests):
            await self.ask(EASY[0], WEB, model=MODELS[name])
        fake.always(self.answers[name])

    async def busy(self) -> None:
        """Leave some streams running."""
        for text, key in ((HARD[0], AGENTS), (MIDDLE[0], WEB), (HARD[2], AGENTS), (EASY[1], INGEST)):
            self._open.append(asyncio.ensure_future(self._go_on(text, key)))
        await asyncio.sleep(0.3)

    async def _go_on(self, text: str, key: str) -> None:
        while True:
            await self.ask(text, key, stream=True)

    async def close(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


@contextlib.asynccontextmanager
async def stage(directory: Path, requests: int, *, pause_s: float = 0.0) -> AsyncIterator[Stage]:
    """`pause_s`: between two tokens of a stream, once the week is over."""
    names = {"home": (60, 40), "mini": (80, 60), "pro": (150, 300), "opus": (300, 900)}
    async with contextlib.AsyncExitStack() as opened:
        fakes: dict[str, Fake] = {}
        pace = Pace()
        answers = {name: speaking(words, prompt, pace) for name, (words, prompt) in names.items()}
        for name, answer in answers.items():
            fakes[name] = (await Fake(name).start()).always(answer)
            opened.push_async_callback(fakes[name].kill)
        clock = MovingClock(DAYS * 86400.0)
        tree = settings(
            [
                endpoint(fakes["home"], MODELS["home"], id="home", priority=2, max_in_flight=4),
                endpoint(fakes["mini"], MODELS["mini"], id="mini", price={"input": 0.4, "output": 1.6}),
            ],
            [endpoint(fakes["pro"], MODELS["pro"], id="pro", price={"input": 3.0, "output": 15.0})],
            [endpoint(fakes["opus"], MODELS["opus"], id="opus", price={"input": 15.0, "output": 75.0})],
            routing={"strategy": "learned"},
            auth={
                "admin_keys": [ADMIN],
                "clients": [
                    {"name": "web", "key": WEB},
                    {"name": "agents", "key": AGENTS, "budget_usd": {"day": 2.0, "month": 40.0}},
                    {"name": "ingest", "key": INGEST},
                    {"name": "watch", "key": VIEWER, "role": "viewer"},
                ],
            },
            limits={"everything": {"budget_usd": {"month": 100.0}, "requests_per_minute": 100_000}},
        )
        directory.mkdir(exist_ok=True)
        path = directory / "config.toml"
        path.write_text("# kept\n" + tomli_w.dumps(tree))
        file = ConfigFile(path, dict, directory)
        gateway = await LiveGateway.open(file.load(), wall=clock, state_directory=directory, file=file)
        opened.push_async_callback(gateway.close)
        found = Stage(gateway, fakes, answers, clock)
        opened.push_async_callback(found.close)
        await found.week(requests)
        pace.pause_s = pause_s
        yield found
