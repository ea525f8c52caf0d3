"""`python benches/micro.py`: what the gateway's own steps cost, in µs and in turns of a reference loop measured in the same run.

`--gate` fails when a step costs more turns than its limit, or cannot be measured; never by seconds, which are the machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec
from payloads import KEY, PAYLOADS
from subject import CONFIG

from octoroute import dialects
from octoroute.balancing.health import HealthRegistry
from octoroute.balancing.policies import weighted_order
from octoroute.config import loads
from octoroute.dialects.base import Progress
from octoroute.dialects.response.sse import FrameSplitter
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, Endpoint, Tier
from octoroute.domain.outcome import Attempt, Ending, Outcome, Usage
from octoroute.domain.request import Facts, Request
from octoroute.gateway.lifecycle import RequestLifecycle
from octoroute.gateway.live_requests import LiveRequests
from octoroute.gateway.planner import Planner
from octoroute.gateway.settings import Settings
from octoroute.routing.strategies import STRATEGIES, RouterSettings, reason
from octoroute.runtime.assembly import Runtime
from octoroute.telemetry.access_log import OutcomeSink
from octoroute.telemetry.logging import configure
from octoroute.telemetry.metrics import Metrics
from octoroute.telemetry.stats import Statistics
from octoroute.upstream.client import UpstreamClient
from octoroute.upstream.providers import PROVIDERS
from octoroute.upstream.request import UpstreamRequest

LIMITS: Mapping[str, float] = {
    "decide by rule, 1 KB": 11,
    "decide by rule, 32 KB": 24,
    "decide by hybrid, a rule applies": 11,
    "decide by hybrid, the model is asked": 69,
    "decide by llm": 70,
    "plan over 3 endpoints": 8,
    "plan over 1,000 endpoints": 2700,
    "plan a request, 1 endpoint a tier": 9,
    "plan a request, 3 endpoints a tier": 20,
    "read and know a 1 KB request": 28,
    "read and know a 32 KB request": 140,
    "patch a 1 KB request": 8,
    "patch a 32 KB request": 24,
    "cut an event that came in halves": 9,
    "tap an event": 9,
    "relay an event": 16,
    "answer a 1 KB request": 380,
    "answer a 32 KB request": 540,
    "record a request in the metrics": 13,
    "settle a request": 85,
}
"""Turns of the reference loop, three times what was measured; what is not listed is shown and not gated."""

Step = Callable[[], object]
EVENTS = 50


class Missing(Exception):
    """Not there yet, or no longer: the step is skipped by name."""


def reference() -> int:
    """Dictionaries, strings, calls, and integers; 1,000 turns. Do not change it: every limit is in its turns."""
    total = 0
    for number in range(1000):
        row = {"id": number, "text": "octoroute"}
        total += len(f"{row['text']}-{row['id']}".split("-")) + max(number, total) % 7
    return total


def cost_us(step: Step) -> float:
    """Processor time of one call, the best of seven; neighbours do not count."""
    step()
    calls, used = 1, 0
    while used < 20_000_000:
        calls *= 2
        began = time.process_time_ns()
        for _ in range(calls):
            step()
        used = time.process_time_ns() - began
    best = used
    for _ in range(6):
        began = time.process_time_ns()
        for _ in range(calls):
            step()
        best = min(best, time.process_time_ns() - began)
    return best / calls / 1000


# ---- what is measured

_UNUSED: Any = None
"""For a constructor argument that the step never touches."""


def _endpoint(number: int) -> Any:
    return Endpoint(
        id=f"endpoint-{number}",
        name="bench",
        tier=Tier.BALANCED,
        kind="openai",
        provider="openai",
        base_url="http://127.0.0.1:1/v1",
        model="bench",
        priority=number % 3,
        weight=1.0 + number % 5,
    )


def plan_of(count: int) -> Step:
    endpoints = [_endpoint(number) for number in range(count)]
    draw = random.Random(1).random
    return lambda: weighted_order(endpoints, draw)


def planning(count: int) -> Step:
    """A chat request to a healthy settings with so many endpoints a tier."""
    replace = msgspec.structs.replace
    endpoints = tuple(replace(_endpoint(1), id=f"{tier}-{number}", tier=tier) for tier in CHAT_TIERS for number in range(count))
    health = HealthRegistry(failure_threshold=3, recovery_s=30.0, clock=time.monotonic, wall=time.time)
    upstream = UpstreamClient(_UNUSED, PROVIDERS, dialects.outbound(time.monotonic))
    inbound = dialects.inbound(time.time)
    plans = Planner(health, upstream, inbound, random.Random(1).random)
    settings = Settings(endpoints=endpoints, router=_UNUSED)
    request = inbound["openai"].read(PAYLOADS["1k"].body, request_id="r", headers={})
    decision = Decision(tier=Tier.BALANCED, by="rule", why="code up to 1024 tokens")
    return lambda: plans.plan(decision, request, settings)


def _message(payload: str) -> str:
    return json.loads(PAYLOADS[payload].body)["messages"][1]["content"]


def decision_by(strategy: str, payload: str = "1k", text: str | None = None) -> Step:
    """The routing model answers at once: what is measured is ours."""

    async def ask(*_: object) -> str:
        return '{"tier": "fast"}'

    text = text or _message(payload)
    router = STRATEGIES[strategy](RouterSettings(), ask)
    facts = Facts(text=text, tokens=len(text) // 4, messages=2)

    def step() -> None:
        coroutine: Coroutine[Any, Any, Any] = router.route(facts)
        try:
            coroutine.send(None)
        except StopIteration:
            return
        raise Missing(f"the {strategy} router waited for something")

    return step


def _inbound(dialect: str) -> Any:
    return dialects.inbound(time.time)[dialect]


def _outbound(dialect: str) -> Any:
    return dialects.outbound(time.monotonic)[dialect]


def reading(payload: str, dialect: str = "openai") -> Step:
    inbound, body = _inbound(dialect), PAYLOADS[payload].body
    return lambda: inbound.read(body, request_id="r", headers={}).facts


def patching(payload: str) -> Step:
    inbound = _inbound("openai")
    request = inbound.read(PAYLOADS[payload].body, request_id="r", headers={})
    return lambda: inbound.with_model(request, "the-upstream's-name")


def sse_events() -> list[bytes]:
    """One answer as upstream.c streams it: content chunks of about 300 bytes, finish, usage, [DONE]."""
    fields = '"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench","system_fingerprint":"fp"'
    text = "The quick brown fox jumps over the lazy dog while the band plays on and nobody in the settings minds the noise at all."
    content = f'data: {{{fields},"choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}]}}\n\n'
    finish = f'data: {{{fields},"choices":[{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"stop"}}]}}\n\n'
    usage = f'data: {{{fields},"choices":[],"usage":{{"prompt_tokens":210,"completion_tokens":50,"total_tokens":260}}}}\n\n'
    return [event.encode() for event in [*[content] * EVENTS, finish, usage, "data: [DONE]\n\n"]]


def tapping() -> Step:
    outbound, events = _outbound("openai"), sse_events()

    def step() -> None:
        tap = outbound.tap()
        for event in events:
            tap.feed(event)

    return step


def cutting() -> Step:
    """Every event arrives in two halves: the slow way through the cutter."""
    cutter_of, halves = FrameSplitter, [half for event in sse_events() for half in (event[:99], event[99:])]

    def step() -> None:
        cutter = cutter_of()
        for half in halves:
            cutter.feed(half)

    return step


def translating(client: str) -> Step:
    """An OpenAI stream to events and to the client's dialect."""
    inbound, outbound, events = _inbound(client), _outbound("openai"), sse_events()
    request = inbound.read(PAYLOADS["translated"].body, request_id="r", headers={})

    def step() -> None:
        decoder, encoder = outbound.decoder(), inbound.encoder(request)
        for event in events:
            encoder.encode(decoder.feed(event))
        encoder.encode(decoder.end())

    return step


class _Wire:
    """A transport and a provider in one: the events are there already."""

    kind = dialect = "openai"
    passes: tuple[str, ...] = ()
    chat_apis: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._events = [*sse_events(), b""]

    async def send(self, call: object) -> _Answered:  # noqa: ARG002 - whatever is asked
        return _Answered(self._events)

    def url(self, endpoint: Any, api: str, *, stream: bool) -> str:  # noqa: ARG002
        return endpoint.base_url + "/chat/completions"

    def headers(self, endpoint: object) -> tuple[tuple[str, str], ...]:  # noqa: ARG002
        return (("authorization", "Bearer bench"),)


class _Answered:
    status = 200

    def __init__(self, events: list[bytes]) -> None:
        self._events = iter(events)
        self.headers = {"content-type": "text/event-stream"}

    async def chunk(self) -> bytes:
        return next(self._events)

    def close(self) -> None:
        return


class _Whole:
    status = 200
    headers: Mapping[str, str] = {"content-type": "application/json"}
    _choice: Mapping[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": "brown fox " * 60},
        "finish_reason": "stop",
    }
    _usage: Mapping[str, int] = {"prompt_tokens": 210, "completion_tokens": 120, "total_tokens": 330}
    answer = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "choices": [_choice], "usage": _usage}).encode()

    async def send(self, call: object) -> _Whole:  # noqa: ARG002 - whatever is asked
        return self

    async def body(self, limit: int) -> bytes:  # noqa: ARG002
        return self.answer

    def close(self) -> None:
        return


def relaying() -> Step:
    """One attempt opened, committed at its first event, and read to its end, without sockets."""
    wire: Any = _Wire()
    endpoint = _endpoint(1)
    upstream = UpstreamClient(wire, {"openai": wire}, {"openai": _outbound("openai")})
    question = UpstreamRequest(body=b"{}", stream=True)
    loop = asyncio.new_event_loop()

    async def whole() -> None:
        opened = await upstream.open(endpoint, question)
        while await opened.read() is not None:
            pass
        opened.close()

    return lambda: loop.run_until_complete(whole())


def answering(payload: str) -> Step:
    """The whole spine, from a body to its answer: read, decided, planned, asked, relayed, settled, logged. No sockets."""
    configure(level="info", style="json", out=Path(os.devnull).open("w"), once=True)  # noqa: SIM115 - for as long as the process lives
    text = CONFIG.format(port=0, workers=1, base_url="http://127.0.0.1:1/v1", key=KEY)
    config = loads(text, Path("bench.toml"), {})
    transport: Any = _Whole()
    building = Runtime(config, transport=transport)
    inbound, gateway, body = building.interfaces["openai"], building.gateway, PAYLOADS[payload].body
    loop = asyncio.new_event_loop()

    async def whole() -> None:
        request = inbound.read(body, request_id="r", headers={})
        reply = await gateway.answer(request)
        reply.delivered()
        reply.close()

    return lambda: loop.run_until_complete(whole())


def _metrics() -> tuple[Any, Any]:
    """And a registry of health for endpoints."""
    health = HealthRegistry(failure_threshold=3, recovery_s=30.0, clock=time.monotonic, wall=time.time)
    return Metrics(reason), health


def _decision() -> Any:
    return Decision(tier=Tier.BALANCED, by="rule", why="code up to 1024 tokens")


def recording() -> Step:
    """One answered request into the metrics."""
    endpoint = _endpoint(1)
    metrics, _ = _metrics()
    outcome = Outcome(
        request_id="r",
        dialect="openai",
        asked_for="auto",
        stream=False,
        ending=Ending.ANSWERED,
        status=200,
        decision=_decision(),
        attempts=(Attempt(endpoint=endpoint, took_s=0.1),),
        endpoint=endpoint,
        usage=Usage(input_tokens=210, output_tokens=120),
        first_event_s=0.1,
        total_s=0.1,
    )
    return lambda: metrics.record(outcome)


class _Answer:
    """Answered, and counted by its provider."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.progress.usage = Usage(input_tokens=210, output_tokens=120)

    def close(self) -> None:
        return


def settling() -> Step:
    """One request that was answered: its lifecycle, its endpoint's health, the metrics, the statistics, and the line in the log."""
    configure(level="info", style="json", out=Path(os.devnull).open("w"), once=True)  # noqa: SIM115 - as long as the process
    endpoint, decision = _endpoint(1), _decision()
    answer: Any = _Answer()
    metrics, health = _metrics()
    ledger = OutcomeSink(metrics, Statistics(time.time))
    request = Request(id="r", dialect="openai", model="auto", stream=False, body=None, facts=Facts(context_tokens=200))
    clock = time.monotonic
    live = LiveRequests(clock)

    def settled() -> None:
        lifecycle = RequestLifecycle(request, ledger, live)
        lifecycle.decided(decision)
        since = clock()
        lifecycle.answered(health.acquire(endpoint, 300, request.id), answer, since)
        lifecycle.finish(Ending.ANSWERED)
        lifecycle.settle()

    return settled


STEPS: Mapping[str, tuple[Callable[[], Step], int]] = {
    "decide by rule, 1 KB": (lambda: decision_by("rule"), 1),
    "decide by rule, 32 KB": (lambda: decision_by("rule", "32k"), 1),
    "decide by hybrid, a rule applies": (lambda: decision_by("hybrid"), 1),
    "decide by hybrid, the model is asked": (lambda: decision_by("hybrid", text="Who was the first king of Bohemia?"), 1),
    "decide by llm": (lambda: decision_by("llm"), 1),
    "decide by learned": (lambda: decision_by("learned"), 1),
    "plan over 3 endpoints": (lambda: plan_of(3), 1),
    "plan over 1,000 endpoints": (lambda: plan_of(1000), 1),
    "plan a request, 1 endpoint a tier": (lambda: planning(1), 1),
    "plan a request, 3 endpoints a tier": (lambda: planning(3), 1),
    "read and know a 1 KB request": (lambda: reading("1k"), 1),
    "read and know a 32 KB request": (lambda: reading("32k"), 1),
    "patch a 1 KB request": (lambda: patching("1k"), 1),
    "patch a 32 KB request": (lambda: patching("32k"), 1),
    "cut an event that came in halves": (cutting, EVENTS + 3),
    "tap an event": (tapping, EVENTS + 3),
    "relay an event": (relaying, EVENTS + 3),
    "translate an event to Anthropic": (lambda: translating("anthropic"), EVENTS + 3),
    "record a request in the metrics": (recording, 1),
    "answer a 1 KB request": (lambda: answering("1k"), 1),
    "answer a 32 KB request": (lambda: answering("32k"), 1),
    "settle a request": (settling, 1),
}
"""name → (how to prepare it, how many of what it names one call does)."""


def measured() -> tuple[dict[str, tuple[float, float]], dict[str, str]]:
    """name → (µs, turns of the reference loop); and what was skipped, with the reason."""
    done: dict[str, tuple[float, float]] = {}
    skipped: dict[str, str] = {}
    for name, (prepare, count) in STEPS.items():
        try:
            step = prepare()
            turn_us = cost_us(reference) / 1000
            each_us = cost_us(step) / count
        except (Missing, KeyError, TypeError, AttributeError) as error:
            skipped[name] = f"{type(error).__name__}: {error}"
            continue
        done[name] = (each_us, each_us / turn_us)
    return done, skipped


def main() -> int:
    parser = argparse.ArgumentParser(prog="benches/micro.py", description=__doc__)
    parser.add_argument("--gate", action="store_true", help="exit 1 when a step is over its limit or could not be measured")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    done, skipped = measured()
    print("| step | µs | turns of the reference loop | limit |\n|---|---|---|---|")
    over: list[str] = []
    for name, (each_us, turns) in done.items():
        limit = LIMITS.get(name)
        if limit is not None and turns > limit:
            over.append(f"{name}: {turns:.1f} turns of the reference loop, the limit is {limit:g}")
        print(f"| {name} | {each_us:.2f} | {turns:.1f} | {f'{limit:g}' if limit else 'none'} |")
    for name, why in skipped.items():
        print(f"skipped: {name}: {why}", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps({"steps": done, "skipped": skipped}, indent=1))
    if not options.gate:
        return 0
    over += [f"{name}: not measured: {skipped[name]}" for name in LIMITS if name in skipped]
    over += [f"{name}: has a limit and no step" for name in LIMITS if name not in STEPS]
    for line in over:
        print(f"gate: {line}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    raise SystemExit(main())
