"""The guided tour: an ordinary client that uses the public API only.

For each prompt it requests the explanation from `/v1/route`, sends the prompt, and prints the headers of the response before its
text.
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
from octoroute.cli.demo.script import TOUR, TourStep
from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.errors import OctorouteError

_TYPING_S = 0.25
"""The time that a prompt takes to appear on a terminal; output to a file has no delays."""
_PAUSE_S = 0.2


class GuidedTour:
    """Sends the prompts of the script and prints how each was routed and answered."""

    def __init__(self, screen: Screen, servers: Sequence[ModelServer], clock: Callable[[], float] = time.perf_counter) -> None:
        self._screen = screen
        self._servers = servers
        self._clock = clock
        self._tiers: list[str] = []
        self._failed = 0

    async def guide(self, url: str) -> None:
        """Run the tour against the gateway at `url`. Raises OctorouteError if the gateway does not answer as expected."""
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
            try:
                for step in TOUR:
                    with self._unavailable(step.without):
                        await self._visit(client, step)
            except httpx2.HTTPError as error:
                raise OctorouteError(f"the tour ended early: no response from the gateway: {error!r}") from error
        self._sum_up()

    @contextmanager
    def _unavailable(self, tier: Tier | None) -> Generator[None]:
        server = next((server for server in self._servers if server.profile.tier is tier), None)
        if server is not None:
            server.available = False
        try:
            yield
        finally:
            if server is not None:
                server.available = True

    async def _visit(self, client: httpx2.AsyncClient, step: TourStep) -> None:
        screen = self._screen
        screen.line()
        screen.line(f"  {screen.paint(step.intro, 'dim')}")
        if step.without:
            screen.line(f"  {screen.paint(f'✗ The {step.without} server is unavailable: from now on it answers 503.', 'bad')}")
        await self._type(step.prompt)
        body = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": step.prompt}]}
        explained = await client.post("/v1/route", json=body)
        started_at = self._clock()
        async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            if answer.status_code != 200:
                raise OctorouteError(f"the tour ended early: the gateway answered {answer.status_code}")
            self._show_route(explained.json(), answer.headers)
            await self._show_words(answer, answer.headers["x-octoroute-tier"], started_at)
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

    def _show_route(self, explained: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """Print the route from `auto` to the endpoint, and the reason."""
        screen = self._screen
        tier, attempts = headers["x-octoroute-tier"], int(headers["x-octoroute-attempts"])
        self._tiers.append(tier)
        self._failed += attempts - 1
        route = f"auto ─▶ {screen.paint(tier, tier)} ─▶ "
        if attempts > 1:
            route += f"{explained['endpoint']} {screen.paint('✗', 'bad')} ─▶ "
        route += (
            f"{screen.paint(headers['x-octoroute-endpoint'], tier)} {screen.paint('✓', 'good')} ({headers['x-octoroute-model']})"
        )
        screen.line(f"    {route}")
        screen.line(f"    {screen.paint(_why(explained, headers), 'dim')}")

    async def _show_words(self, answer: httpx2.Response, tier: str, started_at: float) -> None:
        screen = self._screen
        first_s = None
        count = 0
        screen.begin("    │ ", tier)
        async for word in words_of(answer):
            first_s = first_s or self._clock() - started_at
            count += 1
            screen.word(word)
        screen.end()
        if first_s is None:
            raise OctorouteError("the tour ended early: a response had no text")
        took_s = self._clock() - started_at
        note = f"first word after {first_s * 1000:.0f} ms · {count} words in {took_s:.1f} s"
        screen.line(f"    {screen.paint('└', tier)} {screen.paint(note, 'dim')}")

    def _sum_up(self) -> None:
        screen = self._screen
        counts = ", ".join(f"{screen.paint(tier, tier)} {self._tiers.count(tier)}" for tier in CHAT_TIERS)
        failures = f"{self._failed} failure behind the scenes, none visible to the client"
        screen.line()
        screen.line(f"  {screen.paint('✓', 'good')} {len(self._tiers)} prompts to one address: {counts}; {failures}.")


def _why(explained: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """Return the reason that `/v1/route` gave. It cannot predict what the router model decides."""
    by = headers["x-octoroute-strategy"]
    if by != explained["strategy"]:
        why = "no rule applies, so the router model decided"
    elif by == "default":
        why = "no rule applies, and the router model gave no decision"
    else:
        why = explained["reason"]
    attempts = headers["x-octoroute-attempts"]
    return f"by {by}: {why}" + ("" if attempts == "1" else f"; {attempts} attempts, one answer")


async def words_of(answer: httpx2.Response) -> AsyncIterator[str]:
    """Yield the text of an OpenAI stream as it arrives. Raises OctorouteError if it ends with an error event."""
    async for line in answer.aiter_lines():
        data = line.removeprefix("data: ")
        if not data or data == "[DONE]" or data.startswith(":"):
            continue
        chunk = msgspec.json.decode(data, type=dict[str, Any])
        if "error" in chunk:
            raise OctorouteError("the tour ended early: a response was cut off")
        for choice in chunk["choices"]:
            if text := choice["delta"].get("content"):
                yield text
