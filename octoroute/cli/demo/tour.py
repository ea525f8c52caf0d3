"""The tour: a client like any other. All it knows of the gateway's ways it is told by the public API.

It asks `/v1/route` why, then sends the prompt, and shows the answer's headers before the answer's first word.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2
import msgspec

from octoroute.cli.demo.models import ModelServer
from octoroute.cli.demo.screen import Screen
from octoroute.cli.demo.script import TOUR, Stop
from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.errors import OctorouteError

_TYPING_S = 0.25
"""A prompt takes this long to appear on a terminal; nobody waits where nobody looks."""
_PAUSE_S = 0.2


class Tour:
    def __init__(self, screen: Screen, servers: Sequence[ModelServer], clock: Callable[[], float] = time.perf_counter) -> None:
        self._screen = screen
        self._servers = servers
        self._clock = clock
        self._tiers: list[str] = []
        self._failed = 0

    async def guide(self, url: str) -> None:
        """Raises OctorouteError when the gateway does not do what it promises."""
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
            try:
                for stop in TOUR:
                    with self._unplugged(stop.without):
                        await self._visit(client, stop)
            except httpx2.HTTPError as error:
                raise OctorouteError(f"the tour ended early: the gateway did not answer: {error!r}") from error
        self._sum_up()

    @contextmanager
    def _unplugged(self, tier: Tier | None) -> Generator[None]:
        server = next((server for server in self._servers if server.character.tier is tier), None)
        if server is not None:
            server.plugged = False
        try:
            yield
        finally:
            if server is not None:
                server.plugged = True

    async def _visit(self, client: httpx2.AsyncClient, stop: Stop) -> None:
        screen = self._screen
        screen.line()
        screen.line(f"  {screen.paint(stop.says, 'dim')}")
        if stop.without:
            screen.line(f"  {screen.paint(f'✗ The {stop.without} server is unplugged: from now on it answers 503.', 'bad')}")
        await self._type(stop.prompt)
        body = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": stop.prompt}]}
        explained = await client.post("/v1/route", json=body)
        since = self._clock()
        async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            if answer.status_code != 200:
                raise OctorouteError(f"the tour ended early: the gateway answered {answer.status_code}")
            self._show_way(explained.json(), answer.headers)
            await self._show_words(answer, answer.headers["x-octoroute-tier"], since)
        await self._rest(_PAUSE_S)

    async def _type(self, prompt: str) -> None:
        screen = self._screen
        screen.begin("  ▸ ", "bold")
        words = prompt.split(" ")
        for at, word in enumerate(words):
            screen.word(f" {word}" if at else word, "bold")
            await self._rest(_TYPING_S / len(words))
        screen.end()

    async def _rest(self, seconds: float) -> None:
        if self._screen.is_terminal:
            await asyncio.sleep(seconds)

    def _show_way(self, explained: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """The way from `auto` to the endpoint, and who said so."""
        screen = self._screen
        tier, attempts = headers["x-octoroute-tier"], int(headers["x-octoroute-attempts"])
        self._tiers.append(tier)
        self._failed += attempts - 1
        way = f"auto ─▶ {screen.paint(tier, tier)} ─▶ "
        if attempts > 1:
            way += f"{explained['endpoint']} {screen.paint('✗', 'bad')} ─▶ "
        way += f"{screen.paint(headers['x-octoroute-endpoint'], tier)} {screen.paint('✓', 'good')} ({headers['x-octoroute-model']})"
        screen.line(f"    {way}")
        screen.line(f"    {screen.paint(_why(explained, headers), 'dim')}")

    async def _show_words(self, answer: httpx2.Response, tier: str, since: float) -> None:
        screen = self._screen
        first_s = None
        count = 0
        screen.begin("    │ ", tier)
        async for word in words_of(answer):
            first_s = first_s or self._clock() - since
            count += 1
            screen.word(word)
        screen.end()
        if first_s is None:
            raise OctorouteError("the tour ended early: an answer had no words")
        took_s = self._clock() - since
        note = f"first word after {first_s * 1000:.0f} ms · {count} words in {took_s:.1f} s"
        screen.line(f"    {screen.paint('└', tier)} {screen.paint(note, 'dim')}")

    def _sum_up(self) -> None:
        screen = self._screen
        counts = ", ".join(f"{screen.paint(tier, tier)} {self._tiers.count(tier)}" for tier in CHAT_TIERS)
        seen = f"{self._failed} failure behind the scenes, none in front"
        screen.line()
        screen.line(f"  {screen.paint('✓', 'good')} {len(self._tiers)} prompts to one address: {counts}; {seen}.")


def _why(explained: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """As `/v1/route` foretold it; what a model decides, it cannot foretell."""
    by = headers["x-octoroute-strategy"]
    if by != explained["strategy"]:
        why = "no rule applies, so the routing model was asked, and chose it"
    elif by == "default":
        why = "no rule applies, and the routing model did not help"
    else:
        why = explained["reason"]
    attempts = headers["x-octoroute-attempts"]
    return f"by {by}: {why}" + ("" if attempts == "1" else f"; {attempts} attempts, one answer")


async def words_of(answer: httpx2.Response) -> AsyncIterator[str]:
    """The text of an OpenAI stream as it comes. Raises OctorouteError when it ends with an error event."""
    async for line in answer.aiter_lines():
        data = line.removeprefix("data: ")
        if not data or data == "[DONE]" or data.startswith(":"):
            continue
        chunk = msgspec.json.decode(data, type=dict[str, Any])
        if "error" in chunk:
            raise OctorouteError("the tour ended early: an answer broke off")
        for choice in chunk["choices"]:
            if text := choice["delta"].get("content"):
                yield text
