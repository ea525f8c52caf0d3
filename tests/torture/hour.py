"""An hour of scripted faults, in minutes: 20,000 requests for `auto` on a virtual clock.

    python tests/torture/hour.py [--requests 20000] [--seeds 3]

Six endpoints in three tiers are dead, slow, throttled, out of credit, without their model, or lie about themselves in `/models`, in turns
and together, as a script of episodes says; now and then all of them at once. Two laws are checked for every request:

1. while one endpoint can answer, no client of `auto` sees an error;
2. an error that is seen has the true cause: one of the causes that the endpoints really have then, or that they all rest or are open.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

import structlog

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from octoroute.domain.endpoint import Tier
from octoroute.errors import Unreachable
from tests.support.spine import FakeAnswer, FakeTransport, Spine, make_endpoint
from tests.support.virtual import now, run

HOUR_S = 3600.0
TIMEOUT_S = 20.0
ENDPOINTS = {
    "fast-1": Tier.FAST, "fast-2": Tier.FAST,
    "balanced-1": Tier.BALANCED, "balanced-2": Tier.BALANCED,
    "deep-1": Tier.DEEP, "deep-2": Tier.DEEP,
}  # fmt: skip
CAUSES = {
    "dead": {"upstream_unreachable"},
    "slow": {"upstream_timeout"},
    "throttled": {"upstream_rate_limited"},
    "busy": {"upstream_overloaded", "upstream_rate_limited"},
    "no credit": {"upstream_misconfigured"},
    "wrong key": {"upstream_misconfigured"},
    "wrong model": {"upstream_not_found"},
    "lying": {"upstream_failed"},
}
"""By fault: the codes that its endpoint may cause. `lying`: `/models` is well, every completion fails."""
REFUSALS = {
    "throttled": (429, {}, {"message": "slow down", "code": "rate_limit_exceeded"}),
    "busy": (503, {"retry-after": "5"}, {"message": "overloaded"}),
    "no credit": (402, {}, {"message": "Insufficient Balance"}),
    "wrong key": (401, {}, {"message": "Incorrect API key provided", "code": "invalid_api_key"}),
    "wrong model": (404, {}, {"message": "model 'm' not found, try pulling it first"}),
    "lying": (500, {}, {"message": "CUDA error"}),
}
WAITING = {"no_endpoint_available", "upstream_rate_limited"}
"""Codes of requests for which no endpoint was asked: all rest or are open, for the causes that they have."""


class Episode:
    """From when to when an endpoint has a fault."""

    def __init__(self, endpoint: str, fault: str, since: float, until: float) -> None:
        self.endpoint, self.fault, self.since, self.until = endpoint, fault, since, until


def script(random: Random) -> list[Episode]:
    """Some endpoint is in trouble nearly always, one of them is well most of the time, and four times an hour all are in trouble."""
    episodes: list[Episode] = []
    for minute in range(0, 60, 2):
        since = minute * 60.0
        for endpoint in random.sample(list(ENDPOINTS), random.randint(1, 5)):
            start = since + random.uniform(0, 60)
            episodes.append(Episode(endpoint, random.choice(list(CAUSES)), start, start + random.uniform(0.5, 90)))
    for at in (700.0, 1500.0, 2300.0, 3100.0):
        episodes += [Episode(endpoint, random.choice(list(CAUSES)), at, at + random.uniform(20, 40)) for endpoint in ENDPOINTS]
    return episodes


class World:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.start = now()
        self.script = script(self.random)
        self.spine = Spine(
            [
                make_endpoint(name, tier=tier, base_url=f"https://{name}.test/v1", first_event_timeout_s=TIMEOUT_S)
                for name, tier in ENDPOINTS.items()
            ],
            max_attempts=3,
            seed=seed,
        )
        self.spine.transport.send = self._send  # type: ignore[method-assign]
        self._transport: FakeTransport = self.spine.transport

    def fault(self, endpoint: str, since: float, until: float) -> set[str]:
        """The faults that the endpoint has had in this time (of the loop)."""
        return {
            episode.fault
            for episode in self.script
            if episode.endpoint == endpoint and episode.since + self.start <= until and since <= episode.until + self.start
        }

    def well(self, since: float, until: float) -> list[str]:
        return [name for name in ENDPOINTS if not self.fault(name, since, until)]

    async def _send(self, call):
        body = json.loads(call.body)
        model, at = body["model"], now()
        faults = self.fault(model, at, at)
        fault = min(faults) if faults else None
        if fault == "dead":
            raise Unreachable("no connection")
        if fault == "slow":
            await asyncio.Event().wait()
        await asyncio.sleep(self.random.uniform(0.05, 1.5))
        if fault in REFUSALS:
            status, headers, error = REFUSALS[fault]
            return FakeAnswer(self._transport, status, headers, [json.dumps({"error": error}).encode()])
        return self._transport._answer("ok", model, bool(body.get("stream")))

    async def probes(self) -> None:
        """Each endpoint each 30 s: only the dead ones are seen, a wrong key is; what completions are like is not."""
        while True:
            await asyncio.sleep(30)
            for endpoint in self.spine.gateway.settings.endpoints:
                faults = self.fault(endpoint.id, now(), now())
                if "dead" in faults:
                    self.spine.health.probe_failed(endpoint, "upstream_unreachable", now(), answered=False)
                elif "wrong key" in faults:
                    self.spine.health.probe_failed(endpoint, "upstream_misconfigured", now(), answered=True)
                else:
                    self.spine.health.probe_succeeded(endpoint)


RECENT_S = 65.0
"""How long what an endpoint did may be told: its circuit is open, or it rests, for 30 s at most, after an attempt of 20 s."""


async def client(world: World, at: float, seen: Counter[str], wrong: list[str], model: str) -> None:
    await asyncio.sleep(at)
    world.spine.router.tier = world.random.choice([Tier.FAST, Tier.BALANCED, Tier.DEEP])
    since = now()
    told = await world.spine.ask(model=model, stream=world.random.random() < 0.5)
    until = now()
    seen[str(told.status) if told.status == 200 else str(told.code)] += 1
    if told.status == 200:
        return
    recovered = world.well(since - RECENT_S, until)
    if recovered:
        wrong.append(
            f"{since - world.start:.1f} s: {told.status} {told.code} although {recovered} could answer; asked {told.asked}"
        )
    causes = {code for name in ENDPOINTS for fault in world.fault(name, since - RECENT_S, until) for code in CAUSES[fault]}
    if told.code not in (causes if told.asked else causes | WAITING):
        wrong.append(f"{since - world.start:.1f} s: {told.code} is not the cause; the endpoints had {sorted(causes)}")


async def hour(requests: int, seed: int, model: str = "auto") -> tuple[Counter[str], list[str]]:
    world, seen, wrong = World(seed), Counter[str](), list[str]()
    probing = asyncio.ensure_future(world.probes())
    arrivals = sorted(world.random.uniform(0, HOUR_S) for _ in range(requests))
    async with asyncio.TaskGroup() as group:
        for at in arrivals:
            group.create_task(client(world, at, seen, wrong, model))
    probing.cancel()
    await asyncio.gather(probing, return_exceptions=True)
    states = [world.spine.health.breaker(endpoint) for endpoint in world.spine.gateway.settings.endpoints]
    if any(state.in_flight or state.trial_in_flight for state in states):
        wrong.append("something is still in flight")
    return seen, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    since = time.monotonic()
    seen, wrong = Counter[str](), list[str]()
    for seed in range(1, given.seeds + 1):
        told, found = run(hour(given.requests, seed))
        seen += told
        wrong += [f"seed {seed}: {text}" for text in found]
    print(json.dumps({"requests": seen.total(), "seconds": round(time.monotonic() - since, 1), "told": seen}))  # noqa: T201
    print("\n".join(wrong[:20]) or "no client saw an error while one endpoint could answer, and no error had a false cause")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
