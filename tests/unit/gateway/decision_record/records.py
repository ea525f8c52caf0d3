"""Records of real decisions, for the tests of this package."""

from __future__ import annotations

import json
from pathlib import Path

import tomli_w

from octoroute.config import loads
from octoroute.domain.outcome import Attempt, Ending, Outcome, Usage
from octoroute.domain.trace import DecisionTrace
from octoroute.gateway.lifecycle import RequestLifecycle
from octoroute.runtime.assembly import Runtime

PRICES = {
    "fast": {"input": 1.0, "output": 2.0},
    "balanced": {"input": 5.0, "output": 10.0},
    "deep": {"input": 20.0, "output": 50.0},
}
TREE = {
    "models": {
        tier: [
            {
                "name": f"m-{tier}",
                "id": f"{tier}-{letter}",
                "base_url": f"http://{letter}.test/v1",
                "api_key": "sk-secret",
                "price": PRICES[tier],
            }
            for letter in "ab"
        ]
        for tier in ("fast", "balanced", "deep")
    },
    "routing": {"strategy": "learned"},
}
PROMPT = "Tell me about zebras"


def runtime_of(tree=None, **parts):
    return Runtime(loads(tomli_w.dumps(tree or TREE), Path("config.toml"), {}), **parts)


async def settle(runtime, id="r1", model="auto", content=PROMPT, headers=None, disabled=()):
    """One request that its first endpoint answers: decided and planned by the gateway, without an upstream."""
    gateway = runtime.gateway
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": content}]}).encode()
    asked = gateway.inbound["openai"].read(body, request_id=id, headers=headers or {})
    for endpoint in gateway.settings.endpoints:
        gateway.health.set_enabled(endpoint, on=endpoint.id not in disabled)
    lifecycle = RequestLifecycle(asked, gateway.sink, gateway.live)
    lifecycle.trace = DecisionTrace.of(asked, gateway.settings)
    decision = await gateway.resolver.resolve(asked, gateway.settings)
    plan = gateway.planner.plan(decision, asked, gateway.settings)
    lifecycle.planned(decision, asked, plan)
    usage = Usage(input_tokens=1000, output_tokens=100)
    outcome = Outcome(
        request_id=id,
        dialect="openai",
        asked_for="auto",
        stream=False,
        ending=Ending.ANSWERED,
        status=200,
        decision=decision,
        attempts=(Attempt(endpoint=plan.order[0], took_s=0.2, usage=usage),),
        endpoint=plan.order[0],
        usage=usage,
        first_event_s=0.2,
        total_s=0.5,
        cost_micros=usage.cost_micros(plan.order[0].price),
        trace=lifecycle.trace,
    )
    runtime.sink.settle(outcome, asked)
    return outcome
