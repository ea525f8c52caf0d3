"""Vendors that bill, and clients of a gateway in front of them: what was settled, recorded, and billed must be the same."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from random import Random
from typing import Any

from octoroute.domain.outcome import Usage
from octoroute.domain.price import Price
from tests.support.fake import Exchange, Fake, chunk, completion
from tests.support.live_gateway import LiveGateway, endpoint, question, settings

PRICES = {
    "small": {"input": 0.35, "output": 1.1, "cached": 0.05},
    "big": {"input": 3.3, "output": 15.7, "written": 4.1, "request": 0.000123},
}


class Vendor:
    """A model server that bills every answer that it began, by the tokens that it reported, and fails as often as it likes."""

    def __init__(self, name: str, fake: Fake, chance: Random) -> None:
        self.bill_micros = 0
        self.bills: Counter[str] = Counter()
        """Of each request that names itself by `[NAME]` in its text."""
        self._name = name
        self._price = Price(**PRICES[name])
        self._chance = chance
        fake.always(self.step)

    async def step(self, exchange: Exchange) -> None:
        draw, body = self._chance.random(), exchange.seen.json
        if draw < 0.1:
            exchange.reset()
            return
        if draw < 0.2:
            exchange.head(500, {"content-type": "application/json", "content-length": "2"})
            exchange.write(b"{}")
            await exchange.flushed()
            return
        prompt, made = self._chance.randint(1, 5000), self._chance.randint(1, 900)
        cached, written = self._chance.randint(0, prompt // 2), self._chance.randint(0, prompt // 2)
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": made,
            "total_tokens": prompt + made,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        }
        cost = Usage(input_tokens=prompt, output_tokens=made, cached_tokens=cached, cache_write_tokens=written).cost_micros(
            self._price
        )
        self.bill_micros += cost
        self.bills[str(body["messages"][-1]["content"]).partition("[")[2].partition("]")[0]] += cost
        if body.get("stream"):
            exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
            for part in (
                chunk({"role": "assistant", "content": "one"}),
                chunk({}, finish="stop", usage=usage),
                b"data: [DONE]\n\n",
            ):
                exchange.chunk(part)
            exchange.write(b"0\r\n\r\n")
        else:
            data = json.dumps({**completion("4"), "usage": usage}).encode()
            exchange.head(200, {"content-type": "application/json", "content-length": str(len(data))})
            exchange.write(data)
        await exchange.flushed()


class Chaos:
    def __init__(self, gateway: LiveGateway, vendors: list[Vendor]) -> None:
        self.gateway = gateway
        self.vendors = vendors
        self.history_micros = 0
        self.statuses: set[int] = set()
        gateway.app.runtime.sink.observe("books", self.on_outcome)
        self.keeper = gateway.app.runtime.gateway.settings.bookkeeper
        self.ledger: Any = self.keeper.ledger
        self._window = self._month()
        """The run may end in another month."""

    def _month(self) -> str:
        return f"everything:|month|{self.keeper.periods().month.name}"

    def on_outcome(self, outcome, request) -> None:
        self.history_micros += outcome.cost_micros or 0

    async def ask(self, number: int) -> None:
        words = "hello" if number % 2 else "Prove that every bounded monotone sequence converges, and justify each step."
        response = await self.gateway.ask(question(words, max_tokens=50, stream=number % 3 == 0, user=f"u{number % 7}"))
        self.statuses.add(response.status_code)

    async def run(self, requests: int) -> None:
        gate = asyncio.Semaphore(16)

        async def one(number: int) -> None:
            async with gate:
                await self.ask(number)

        await asyncio.gather(*(one(number) for number in range(requests)))

    async def settled_micros(self) -> int:
        windows = sorted({self._window, self._month()})
        async with asyncio.timeout(30):
            while True:
                states = (await self.ledger.read(windows)).values()
                if not any(state.held for state in states):
                    return sum(state.spent for state in states)
                await asyncio.sleep(0.05)


def tables(fakes: list[Fake], shared: str) -> dict[str, Any]:
    return settings(
        fast=[endpoint(fakes[0], "small", id="small", price=PRICES["small"])],
        deep=[endpoint(fakes[1], "big", id="big", price=PRICES["big"])],
        routing={"strategy": "cascade"},
        retry={"max_attempts": 4},
        health={"failure_threshold": 1000},
        limits={
            "everything": {"budget_usd": {"month": 1000.0}},
            "each_user": {"budget_usd": {"day": 500.0}},
            "models": {"big": {"budget_usd": {"day": 900.0}}},
        },
        shared={"budgets_if_down": "open", **({"url": shared} if shared else {})},
    )
