"""Everything goes wrong, at random, many times: `python tests/torture/chaos.py --runs 10000`.

Three providers of two models, each candidate behaving in one of nine ways, on a virtual clock. Every other run is sequential and is
compared, attempt by attempt and failure by failure, with a model of the documented rules written here; the others are concurrent,
with clients that hang up, and are checked for what must always hold.
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
from typing import Any

import structlog

sys.path.insert(0, str(Path(__file__).parents[2]))

from octoroute.domain.endpoint import CircuitState
from tests.support.fake import DONE
from tests.support.spine import BEHAVIOURS, Spine, Told, providers
from tests.support.virtual import now, run

LAYOUT = {"p1": ["a1", "a2"], "p2": ["b1", "b2"], "p3": ["c1", "c2"]}
PROVIDER = {model: name for name, models in LAYOUT.items() for model in models}
THRESHOLD, RECOVERY_S, TIMEOUT_S, REST_S = 3, 30.0, 10.0, 7.0
WHOLE = {"401", "unreachable"}
ERRORS = {
    "500": (502, "upstream_failed"),
    "hang": (504, "upstream_timeout"),
    "reset_before": (502, "upstream_failed"),
    "reset_after": (502, "upstream_failed"),
    "401": (502, "upstream_misconfigured"),
    "garbage": (502, "upstream_failed"),
    "unreachable": (502, "upstream_unreachable"),
}


class State:
    """What the documents say of one endpoint."""

    def __init__(self) -> None:
        self.failures = 0
        self.openings = 0
        self.opened_at: float | None = None
        self.whole = False
        self.rests_until = 0.0

    def circuit(self, at: float) -> CircuitState:
        if self.opened_at is None:
            return CircuitState.CLOSED
        lasts = min(RECOVERY_S, 2.0 ** (self.openings - 1))
        return CircuitState.HALF_OPEN if at >= self.opened_at + lasts else CircuitState.OPEN

    def failed(self, how: str, at: float) -> None:
        self.failures += 1
        self.whole = how in WHOLE
        half_open = self.circuit(at) is CircuitState.HALF_OPEN
        if half_open or (self.opened_at is None and (self.failures >= THRESHOLD or how == "401")):
            self.opened_at = at
            self.openings += 1


class Model:
    """The rules, once more, in the simplest words."""

    def __init__(self, order: str, random: Random) -> None:
        self.order = order
        self.random = random
        self.states = {model: State() for model in PROVIDER}
        self.last = dict.fromkeys(LAYOUT, 0)
        self.turn = 0

    def plan(self, at: float) -> list[str]:
        able = []
        for name, models in LAYOUT.items():
            states = [self.states[model] for model in models]
            if any(state.circuit(at) is CircuitState.OPEN and state.whole for state in states):
                continue
            fit = [m for m in models if self.states[m].circuit(at) is not CircuitState.OPEN and at >= self.states[m].rests_until]
            if fit:
                able.append((name, fit))
        if self.order == "round_robin":
            able.sort(key=lambda one: self.last[one[0]])
            if able:
                self.turn += 1
                self.last[able[0][0]] = self.turn
        elif self.order == "random":
            able = [one for _, one in sorted([(self.random.random(), one) for one in able], key=lambda pair: pair[0])]
        order = [model for _, models in able for model in models]
        trials = [model for model in order if self.states[model].opened_at is not None]
        late = trials[1:] if len(trials) < len(order) else []
        return [*(model for model in order if model not in late), *late]

    def expect(self, table: dict[str, str], stream: bool, at: float) -> tuple[list[str], int, str | None, bool, float]:
        """(who is asked, status, code, whether the answer breaks, when it is over)."""
        asked: list[str] = []
        causes: list[str] = []
        avoid: set[str] = set()
        for model in self.plan(at):
            if PROVIDER[model] in avoid:
                continue
            how, state = table[model], self.states[model]
            asked.append(model)
            if how == "hang":
                at += TIMEOUT_S
            if how == "ok":
                state.failures, state.openings, state.opened_at = 0, 0, None
                return asked, 200, None, False, at
            if how == "reset_after" and stream:
                if state.opened_at is not None:
                    state.opened_at, state.failures = None, THRESHOLD - 1
                state.failed(how, at)
                return asked, 200, None, True, at
            causes.append(how)
            if how == "429":
                state.rests_until = at + REST_S
                continue
            state.failed(how, at)
            if how in WHOLE:
                avoid.add(PROVIDER[model])
        if not causes:
            resting = any(s.circuit(at) is not CircuitState.OPEN and at < s.rests_until for s in self.states.values())
            return asked, *((429, "upstream_rate_limited") if resting else (503, "no_endpoint_available")), False, at
        real = [how for how in causes if how != "429"]
        return asked, *(ERRORS[real[-1]] if real else (429, "upstream_rate_limited")), False, at


def check(true: object, said: str) -> None:
    if not true:
        raise AssertionError(said)


def check_told(told: Told, stream: bool) -> None:
    """A right answer, or a right error, to the client that asked."""
    if told.status != 200:
        check(told.body == b"" and told.error is not None and told.error.message, "an error has words and no answer")
        return
    (endpoint,) = [attempt.endpoint for attempt in told.outcome.attempts if attempt.error is None]
    if told.broken:
        check(stream and DONE not in told.body, "a broken stream has no proper end")
        check(told.outcome.ending == "broken", "it is called broken")
    else:
        check(
            told.complete and f"hello from {endpoint.id}".encode() in told.body, "the answer is whole, and of whom it is said to be"
        )
        check(told.outcome.ending == "answered", "it is called answered")


def check_quiet(spine: Spine) -> None:
    """Nothing leaks."""
    states = {e.id: spine.health.breaker(e) for e in spine.gateway.settings.endpoints}
    check(all(state.in_flight == 0 and not state.trial_in_flight for state in states.values()), "nothing is in flight")
    check(spine.transport.open == 0, "no answer is left open")
    check(len(asyncio.all_tasks()) == 1, "no task is left")
    check(spine.gateway.queue.depth == 0, "nobody waits")


def gateway(random: Random, table: dict[str, str], order: str, seed: int, **more: Any) -> Spine:
    endpoints = providers(LAYOUT, first_event_timeout_s=TIMEOUT_S)
    return Spine(
        endpoints, lambda model, _: table[model], order=order, failure_threshold=THRESHOLD, recovery_s=RECOVERY_S, seed=seed, **more
    )


async def sequential(seed: int, seen: Counter[str]) -> None:
    random = Random(seed)
    table: dict[str, str] = {}
    order = random.choice(["priority", "round_robin", "random"])
    spine = gateway(random, table, order, seed)
    model = Model(order, Random(seed))
    for number in range(random.randint(1, 8)):
        table.update({name: random.choice(BEHAVIOURS) for name in PROVIDER})
        stream = random.random() < 0.5
        expected = model.expect(table, stream, now())
        told = await spine.ask(stream=stream)
        got = (told.asked, told.status, told.code, told.broken, now())
        check(got == expected, f"request {number}, {order}, {table}: expected {expected}, got {got}")
        check(len(set(told.asked)) == len(told.asked), "nobody is asked twice")
        check_told(told, stream)
        for endpoint in spine.gateway.settings.endpoints:
            state, real = model.states[endpoint.id], spine.health.breaker(endpoint)
            check(
                (real.failures, real.opened_at, spine.health.circuit_state(endpoint))
                == (state.failures, state.opened_at, state.circuit(now())),
                f"{endpoint.id}'s breaker: {real.failures} {real.opened_at}, expected {state.failures} {state.opened_at}",
            )
        check_quiet(spine)
        seen[f"{told.status}{' broken' if told.broken else ''}"] += 1
        await asyncio.sleep(random.choice([0.0, 1.0, 5.0, 20.0, 40.0]))


def check_order(attempts: list[str], order: str) -> None:
    blocks = [PROVIDER[model] for model in attempts]
    check(len(set(blocks)) == sum(one != two for one, two in zip(["", *blocks], blocks, strict=False)), "provider by provider")
    for models in LAYOUT.values():
        check([m for m in models if m in attempts] == [m for m in attempts if m in models], "models in list order")
    if order == "priority":
        check(blocks == sorted(blocks), "providers by priority")


async def concurrent(seed: int, seen: Counter[str]) -> None:
    random = Random(seed)
    order = random.choice(["priority", "round_robin", "random"])
    spine = gateway(random, {}, order, seed, delay_s=lambda _: random.random())
    open_circuits: list[set[str]] = []
    """At each moment at which something is sent."""

    def circuits() -> set[str]:
        return {endpoint.id for endpoint in spine.gateway.settings.endpoints if spine.health.needs_trial(endpoint)}

    def behave(*_: object) -> str:
        open_circuits.append(circuits())
        return random.choice(BEHAVIOURS)

    spine.transport.behave = behave

    async def client(name: int) -> None:
        await asyncio.sleep(random.random() * 20)
        stream = random.random() < 0.5
        request = spine.request(stream=stream)
        since, suspects = len(open_circuits), circuits()
        task = asyncio.ensure_future(spine.ask(request))
        if random.random() < 0.2:
            await asyncio.sleep(random.random() * 12)
            task.cancel()
        try:
            told = await task
        except asyncio.CancelledError:
            seen["left"] += 1
            told = None
        attempts = [attempt.endpoint.id for attempt in spine.book.of(request.id).attempts]
        check(len(set(attempts)) == len(attempts), f"client {name} had somebody asked twice: {attempts}")
        on_the_wire = [model for user, model, _ in spine.transport.asked if user == request.id]
        check(on_the_wire == attempts, f"what is told is what was sent: {on_the_wire} {attempts}")
        # Trials of open circuits may come later than their turn.
        suspects = suspects.union(*open_circuits[since:])
        check_order([model for model in attempts if model not in suspects], order)
        if told is not None:
            check_told(told, stream)
            seen[f"{told.status}{' broken' if told.broken else ''}"] += 1

    async with asyncio.TaskGroup() as group:
        for name in range(random.randint(2, 15)):
            group.create_task(client(name))
    check_quiet(spine)


def one(seed: int, seen: Counter[str]) -> None:
    """One run. Raises AssertionError with the seed."""
    try:
        run((sequential if seed % 2 else concurrent)(seed, seen))
    except BaseException as error:
        raise AssertionError(f"seed {seed}: {error!r}") from error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    seen: Counter[str] = Counter()
    since = time.monotonic()
    for seed in range(args.seed, args.seed + args.runs):
        one(seed, seen)
    told = {"runs": args.runs, "seconds": round(time.monotonic() - since, 1), "endings": dict(seen.most_common())}
    print(json.dumps(told))  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(main())
