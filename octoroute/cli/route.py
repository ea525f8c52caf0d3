"""`octoroute route "PROMPT"`: explains which tier and endpoint the prompt would be sent to. Sends nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from octoroute.gateway.explain import Explanation


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", help="the user's message; `-` reads it from standard input")
    parser.add_argument("--model", default="auto", help="the model that the client requests (default: auto)")
    parser.add_argument("--json", action="store_true", help="print the response of POST /v1/route")


def run(args: argparse.Namespace) -> int:
    from octoroute.config import environment, load  # noqa: PLC0415  commands import lazily
    from octoroute.gateway.explain import tell  # noqa: PLC0415

    config = load(args.config, environment.variables(Path.cwd()), Path.cwd())
    explanation = asyncio.run(_explain(config, _prompt(args.prompt), args.model))
    if args.json:
        print(json.dumps(tell(explanation), indent=2))
    else:
        print("\n".join(lines(explanation)))
    return 0


def _prompt(text: str) -> str:
    if text != "-":
        return text
    import sys  # noqa: PLC0415

    return sys.stdin.read()


async def _explain(config: object, prompt: str, model: str) -> Explanation:
    from octoroute.config.schema import Config  # noqa: PLC0415
    from octoroute.gateway.explain import explain  # noqa: PLC0415
    from octoroute.runtime.assembly import Runtime  # noqa: PLC0415  commands import lazily

    assert isinstance(config, Config)
    runtime = Runtime(config)
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": prompt}]}).encode("utf-8", "replace")
    try:
        return await explain(runtime.gateway, runtime.dry_router, runtime.inbound["openai"].read(body, request_id="-", headers={}))
    finally:
        await runtime.stop()


def lines(explanation: Explanation) -> Iterator[str]:
    """Yield the lines of the explanation."""
    decision = explanation.decision
    yield f"tier      {decision.tier}"
    if gap := empty_tier(explanation):
        yield f"          {gap}"
    yield f"decided   {decision.by}: {decision.why}"
    if decision.reject is not None:
        yield f"rejected  {decision.reject}"
    if decision.confidence is not None:
        yield f"score     {decision.confidence:.2f}, the probability that the cheap model's answer is not good enough"
    for name, weight in decision.features:
        yield f"          {weight:+.2f} {name}"
    if decision.then is not None:
        yield f"then      {decision.then}, if the response fails the checks"
    for candidate in explanation.candidates:
        mark = "->" if candidate.chosen else "  "
        yield f"  {mark} {candidate.endpoint.id}  ({candidate.endpoint.tier}, {candidate.endpoint.model})  {candidate.reason}"


def empty_tier(explanation: Explanation) -> str | None:
    """Where the request goes when the decided tier has no endpoint; None: it has one, or the client named a model."""
    from octoroute.balancing.eligibility import FALLBACK_TIERS  # noqa: PLC0415  commands import lazily

    decision = explanation.decision
    filled = {candidate.endpoint.tier for candidate in explanation.candidates}
    if decision.only is not None or decision.tier in filled:
        return None
    instead = ", then ".join(tier for tier in FALLBACK_TIERS[decision.tier] if tier in filled)
    return f"{decision.tier} has no endpoint; tried instead: {instead}"
