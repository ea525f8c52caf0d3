"""`octoroute check`: the configuration's problems, all of them, or a summary of what it makes of the gateway."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from octoroute.config import Config
    from octoroute.domain.endpoint import Endpoint


_ORDERS: Mapping[str, str] = {
    "endpoint": "{0} among equal priorities",
    "priority": "provider after provider by priority",
    "round_robin": "providers taking turns",
    "random": "providers at random",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--live", action="store_true", help="also ask every endpoint one tiny question")


def run(args: argparse.Namespace) -> int:
    from octoroute.config import environment, load  # noqa: PLC0415  commands import lazily

    config = load(args.config, environment.variables(Path.cwd()), Path.cwd())
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
    from octoroute.domain.endpoint import CHAT_TIERS  # noqa: PLC0415  commands import lazily

    host, routing = config.server.host, config.routing
    yield f"{config.source} is valid"
    yield f"  listens    http://{f'[{host}]' if ':' in host else host}:{config.server.port or '(a free port)'}"
    asked = "" if routing.strategy in {"rule", "learned", "cascade"} else f", the router model is in the {routing.router_tier} tier"
    yield f"  strategy   {routing.strategy}{asked}"
    order, attempts = config.selection.order, config.retry.max_attempts or "all"
    yield f"  selection  {_ORDERS[order].format(config.selection.policy)}, {attempts} attempts"
    for tier in CHAT_TIERS:
        yield from _group(tier, [endpoint for endpoint in config.endpoints if endpoint.tier is tier], order)
    if config.embedding:
        yield from _group("embedding", config.embedding, order)
    for warning in config.warnings:
        yield f"  WARNING    {warning}"


def _group(name: str, endpoints: Sequence[Endpoint], order: str) -> Iterator[str]:
    """In the order in which they are asked, as far as that is not left to chance."""
    if not endpoints:
        yield f"  {name:<10} no endpoint; its requests go to the next bigger tier, then to the next smaller"
    for index, endpoint in enumerate(in_order(endpoints, order)):
        label = "" if index else name
        yield f"  {label:<10} {endpoint.id}  {_about(endpoint)}, priority {endpoint.priority}, weight {endpoint.weight:g}"


def in_order(endpoints: Sequence[Endpoint], order: str) -> list[Endpoint]:
    """`endpoint` goes by each one's priority; the others keep a provider together, and `priority` goes by its highest."""
    if order == "endpoint":
        return sorted(endpoints, key=lambda endpoint: -endpoint.priority)
    from octoroute.balancing.policies.provider_order import group_by_provider  # noqa: PLC0415  commands import lazily

    groups = group_by_provider(endpoints)
    if order == "priority":
        groups.sort(key=lambda models: -max(endpoint.priority for endpoint in models))
    return [endpoint for models in groups for endpoint in models]


def _about(endpoint: Endpoint) -> str:
    speaks = "" if endpoint.kind == endpoint.provider else f" ({endpoint.kind})"
    return f"model {endpoint.model}, provider {endpoint.provider}{speaks}"
