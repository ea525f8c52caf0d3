"""`octoroute check`: the configuration's problems, all of them, or a summary of what it makes of the gateway."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from octoroute.config import Config
    from octoroute.types import Endpoint


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--live", action="store_true", help="also ask every endpoint one tiny question")


def run(args: argparse.Namespace) -> int:
    from octoroute.config import environment, load  # noqa: PLC0415  commands import lazily

    config = load(args.config, environment.variables(), Path.cwd())
    print("\n".join(summary(config)))
    return _live(config) if args.live else 0


def _live(config: Config) -> int:
    """1 when an endpoint does not answer."""
    import asyncio  # noqa: PLC0415  commands import lazily

    from octoroute.cli.live import ask, report  # noqa: PLC0415

    answers = asyncio.run(ask(config))
    print("\n".join(report(answers)))
    return 1 if any(answer.problem for answer in answers) else 0


def summary(config: Config) -> Iterator[str]:
    from octoroute.types import CHAT_TIERS  # noqa: PLC0415  commands import lazily

    host, routing = config.server.host, config.routing
    yield f"{config.source} is valid"
    yield f"  listens    http://{f'[{host}]' if ':' in host else host}:{config.server.port or '(a free port)'}"
    asked = "" if routing.strategy == "rule" else f", the router model is in the {routing.router_tier} tier"
    yield f"  strategy   {routing.strategy}{asked}"
    yield f"  selection  {config.selection.policy}, {config.retry.max_attempts or 'all'} attempts"
    for tier in CHAT_TIERS:
        yield from _group(tier, [endpoint for endpoint in config.endpoints if endpoint.tier is tier])
    if config.embedding:
        yield from _group("embedding", config.embedding)
    for warning in config.warnings:
        yield f"  WARNING    {warning}"


def _group(name: str, endpoints: Sequence[Endpoint]) -> Iterator[str]:
    if not endpoints:
        yield f"  {name:<10} no endpoint; its requests go to the next bigger tier, then to the next smaller"
    for index, endpoint in enumerate(sorted(endpoints, key=lambda endpoint: -endpoint.priority)):
        label = "" if index else name
        yield f"  {label:<10} {endpoint.id}  priority {endpoint.priority}, weight {endpoint.weight:g}, {endpoint.kind}"
