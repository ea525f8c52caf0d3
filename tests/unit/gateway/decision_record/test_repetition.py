"""A decision that is made again from its record is the same, bit for bit."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import msgspec
import tomli_w
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from octoroute.balancing.policies import ORDERS, POLICIES
from octoroute.config import loads
from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.domain.outcome import Attempt, Ending, Outcome, Usage
from octoroute.domain.request import PROVIDER_HEADER
from octoroute.domain.trace import DecisionTrace
from octoroute.errors import ConfigError, OctorouteError
from octoroute.gateway.decision_record import snapshot, stored
from octoroute.gateway.decision_record.repetition import repeat
from octoroute.gateway.lifecycle import RequestLifecycle
from octoroute.routing.difficulty.thresholds import Thresholds
from octoroute.runtime.assembly import Runtime

WORDS = [
    "hello",
    "Prove that every bounded monotone sequence converges, step by step.",
    "def f(x): return x  # please debug this code",
    "Summarize this: " + "word " * 900,
    "What is the capital of France?",
    "x" * 9000,
]

endpoint = st.fixed_dictionaries(
    {
        "tier": st.sampled_from([tier.value for tier in CHAT_TIERS]),
        "name": st.sampled_from(["small", "large", "qwen"]),
        "provider": st.sampled_from(["openai", "anthropic", "one", "two"]),
        "priority": st.integers(1, 2),
        "weight": st.sampled_from([0.3, 1.0, 2.0]),
    },
    optional={
        "context_window": st.sampled_from([300, 4000, 100_000]),
        "capabilities": st.sampled_from([[], ["tools"], ["tools", "vision", "json"]]),
        "price": st.sampled_from([{"input": 1.0, "output": 5.0}, {"input": 0.15, "output": 0.6}]),
    },
)
rule = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["gpt-*", "qwen", "*"]),
        "request_type": st.sampled_from(["tools", "long-context"]),
        "min_tokens": st.sampled_from([0, 300]),
        "override": st.booleans(),
        "fall_through": st.booleans(),
    },
)
action = st.sampled_from(
    [{"tier": "deep"}, {"tier": "fast"}, {"endpoint": "qwen"}, {"provider": "one"}, {"reject": "no"}, {"policy": "cheapest"}]
)
routing = st.fixed_dictionaries(
    {"strategy": st.sampled_from(["rule", "learned", "cascade"]), "default_importance": st.sampled_from(["low", "normal", "high"])},
    optional={"named_tiers_fall_over": st.booleans()},
)
request = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["auto", "AUTO", "auto", "auto", "fast", "deep", "qwen", "small", "one/small", "gpt-4o", "opus"]),
        "text": st.sampled_from(WORDS),
        "turns": st.integers(0, 3),
        "stream": st.booleans(),
        "tools": st.booleans(),
        "quality": st.sampled_from([None, None, 0.0, 0.3, 0.9]),
        "importance": st.sampled_from([None, None, "high", "low"]),
        "provider": st.sampled_from([None, None, None, "one"]),
        "timed": st.booleans(),
        "dialect": st.sampled_from(["openai", "openai", "anthropic"]),
    }
)


@st.composite
def configurations(draw):
    tree = {"models": {}, "providers": {}, "routing": draw(routing), "health": {"interval_seconds": 0}, "context": {}}
    for name in ("one", "two"):
        tree["providers"][name] = {"kind": "openai", "base_url": f"http://{name}.test/v1", "api_key": name}
    for number, one in enumerate(draw(st.lists(endpoint, min_size=1, max_size=6))):
        row = {**one, "id": f"e{number}"}
        if row["provider"] in {"openai", "anthropic"}:
            row["base_url"] = f"http://host{number % 2}.test/v1"
        tree["models"].setdefault(row.pop("tier"), []).append(row)
    tree["selection"] = {"policy": draw(st.sampled_from(sorted(POLICIES)))}
    if draw(st.integers(0, 3)) == 0:
        tree["selection"] = {"order": draw(st.sampled_from(sorted(ORDERS)))}
    if draw(st.booleans()):
        tree["selection"]["max_cost_usd"] = draw(st.sampled_from([0.0001, 1.0]))
    names = {row["name"] for rows in tree["models"].values() for row in rows}
    rules = [{**one, **draw(action), "name": f"r{n}"} for n, one in enumerate(draw(st.lists(rule, max_size=3)))]
    used = {row["provider"] for rows in tree["models"].values() for row in rows}
    tree["routing"]["rules"] = rules
    if draw(st.booleans()):
        tree["aliases"] = {"gpt-*": draw(st.sampled_from(["auto", "deep", min(names)]))}
    tree["context"]["policy"] = draw(st.sampled_from(["reject", "truncate", "off"]))
    if tree["routing"]["strategy"] == "learned" and draw(st.booleans()):
        tree["routing"]["learned"] = {"explore": 0.5}
    tree["retry"] = {"max_attempts": draw(st.integers(0, 3))}
    for provider in ("one", "two"):
        if provider not in used:
            del tree["providers"][provider]
    return tree


def body_of(one):
    messages = []
    for turn in range(one["turns"]):
        messages += [{"role": "user", "content": f"first {turn}"}, {"role": "assistant", "content": "an answer"}]
    messages.append({"role": "user", "content": one["text"]})
    body = {"model": one["model"], "messages": messages, "stream": one["stream"], "max_tokens": 50}
    if one["tools"] and one["dialect"] == "openai":
        body["tools"] = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    hints = {name: one[name] for name in ("quality", "importance") if one[name] is not None}
    return json.dumps({**body, "octoroute": hints} if hints else body).encode()


async def decide(runtime, one, outages, rng):
    """Resolve and plan as the gateway does; the outcome, or None for an error before a plan."""
    gateway = runtime.gateway
    headers = {PROVIDER_HEADER: one["provider"]} if one["provider"] else {}
    if one["timed"]:
        headers["x-octoroute-timeout"] = "30"
    asked = gateway.inbound[one["dialect"]].read(body_of(one), request_id=f"r{rng.random()}", headers=headers)
    for endpoint in gateway.settings.endpoints:
        gateway.health.set_enabled(endpoint, on=endpoint.id not in outages)
    lifecycle = RequestLifecycle(asked, gateway.sink, gateway.live)
    lifecycle.trace = DecisionTrace.of(asked, gateway.settings)
    try:
        decision = await gateway.resolver.resolve(asked, gateway.settings)
    except OctorouteError:
        return None
    if decision.reject is None:
        plan = gateway.planner.plan(decision, asked, gateway.settings)
        lifecycle.planned(decision, asked, plan)
        further = gateway.planner.extend(plan, decision, asked, gateway.settings)
        lifecycle.planned(decision, asked, further)
        if plan.policy.learns and plan.order:
            plan.policy.on_selected(plan.order[0])
        answered = plan.order[0] if plan.order else None
    else:
        answered = None
    outcome = Outcome(
        request_id=asked.id,
        dialect=asked.dialect,
        asked_for="auto",
        stream=asked.stream,
        ending=Ending.ANSWERED,
        status=200,
        decision=decision,
        attempts=() if answered is None else (Attempt(endpoint=answered, took_s=rng.random()),),
        endpoint=answered,
        usage=Usage(input_tokens=40_000, output_tokens=100),
        first_event_s=rng.random(),
        total_s=2.0,
        trace=lifecycle.trace,
    )
    runtime.sink.settle(outcome, asked)
    if answered is not None and plan.policy.learns:
        plan.policy.on_outcome(outcome)
    return outcome


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    configurations(),
    st.lists(st.tuples(request, st.sets(st.sampled_from(["e0", "e1", "e2"]))), min_size=1, max_size=4),
    st.integers(0, 9),
)
def test_from_the_record_alone_it_is_decided_alike(tree, asked, seed):
    rng = random.Random(seed)
    try:
        config = loads(tomli_w.dumps(tree), Path("config.toml"), {})
    except ConfigError:
        assume(condition=False)

    async def check():
        runtime = Runtime(config, chance=rng.random)
        try:
            for one, outages in asked:
                outcome = await decide(runtime, one, outages, rng)
                if outcome is None:
                    continue
                entry = await runtime.history.get(outcome.request_id)
                record = stored.decode(entry.record)
                assert record.decision.decision() == outcome.decision
                then = snapshot.decode(entry.settings)
                again = await repeat(record, then, runtime.inbound, one["dialect"])
                assert again.differences == ()
                assert len(again.orders) == len(outcome.trace.plans)
                view = await runtime.records.find(outcome.request_id)
                assert view["again"]["same"]
                msgspec.json.encode(view)
        finally:
            await runtime.stop()

    asyncio.run(check())


def test_a_record_whose_settings_were_changed_is_found_out():
    tree = {"models": {tier: [{"name": f"m-{tier}", "base_url": "http://a.test/v1"}] for tier in ("fast", "balanced", "deep")}}
    tree["routing"] = {"strategy": "learned"}
    config = loads(tomli_w.dumps(tree), Path("config.toml"), {})
    plain = {"turns": 0, "stream": False, "tools": False, "quality": None, "importance": None, "provider": None, "timed": False}
    one = {**plain, "model": "auto", "text": WORDS[1], "dialect": "openai"}

    async def check():
        runtime = Runtime(config)
        outcome = await decide(runtime, one, set(), random.Random(1))
        entry = await runtime.history.get(outcome.request_id)
        record = stored.decode(entry.record)
        then = snapshot.decode(entry.settings)
        basis = msgspec.structs.replace(then.basis, thresholds=Thresholds(balanced=0.0, deep=outcome.decision.confidence - 0.0001))
        other = Thresholds(balanced=0.99, deep=0.999) if outcome.decision.tier is Tier.DEEP else basis.thresholds
        forged = msgspec.structs.replace(then, basis=msgspec.structs.replace(basis, thresholds=other))
        again = await repeat(record, forged, runtime.inbound, "openai")
        assert any(line.startswith("tier: ") for line in again.differences)
        await runtime.stop()

    asyncio.run(check())
