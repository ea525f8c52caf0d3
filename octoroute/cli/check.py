"""`octoroute check`: reports every problem of the configuration, or prints a summary of it."""

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
    "round_robin": "providers in turn",
    "random": "providers at random",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--live", action="store_true", help="also send one short request to every endpoint")


def run(args: argparse.Namespace) -> int:
    from octoroute.config import environment, load  # noqa: PLC0415  commands import lazily

    config = load(args.config, environment.variables(Path.cwd()), Path.cwd())
    print("\n".join(summary(config)))
    return _live(config) if args.live else 0


def _live(config: Config) -> int:
    """Send a request to every endpoint. Return 1 if one of them fails, otherwise 0."""
    import asyncio  # noqa: PLC0415  commands import lazily

    from octoroute.cli.live import check_endpoints, report  # noqa: PLC0415

    checks = asyncio.run(check_endpoints(config))
    print("\n".join(report(checks)))
    return 1 if any(check.problem for check in checks) else 0


def summary(config: Config) -> Iterator[str]:
    """Yield the lines of the summary."""
    from octoroute.domain.endpoint import CHAT_TIERS  # noqa: PLC0415  commands import lazily

    host, root, routing = config.server.host, config.server.root_path.rstrip("/"), config.routing
    yield f"{config.source} is valid"
    scheme = "https" if config.server.tls.cert_file else "http"
    yield f"  listens    {scheme}://{f'[{host}]' if ':' in host else host}:{config.server.port or '(a free port)'}{root}"
    router_model = (
        "" if routing.strategy in {"rule", "learned", "cascade"} else f", the router model is in the {routing.router_tier} tier"
    )
    yield f"  strategy   {routing.strategy}{router_model}"
    order, attempts = config.selection.order, config.retry.max_attempts or "all"
    yield f"  selection  {_ORDERS[order].format(config.selection.policy)}, {attempts} attempts"
    for tier in CHAT_TIERS:
        yield from _group(tier, [endpoint for endpoint in config.endpoints if endpoint.tier is tier], order)
    for tier in dict.fromkeys(endpoint.tier for endpoint in config.other_endpoints):
        yield from _group(tier, [endpoint for endpoint in config.other_endpoints if endpoint.tier is tier], order)
    for warning in config.warnings:
        yield f"  WARNING    {warning}"


def _group(name: str, endpoints: Sequence[Endpoint], order: str) -> Iterator[str]:
    """Yield the endpoints of a tier in the order of selection, as far as it is not random."""
    if not endpoints:
        yield f"  {name:<10} no endpoint; its requests go to the next bigger tier, then to the next smaller"
    for index, endpoint in enumerate(in_order(endpoints, order)):
        label = "" if index else name
        yield f"  {label:<10} {endpoint.id}  {_about(endpoint)}, priority {endpoint.priority}, weight {endpoint.weight:g}"


def in_order(endpoints: Sequence[Endpoint], order: str) -> list[Endpoint]:
    """Return the endpoints in the order of selection.

    `endpoint` sorts by the priority of each endpoint. The other orders keep the endpoints of a provider together; `priority` sorts
    providers by their highest priority.
    """
    if order == "endpoint":
        return sorted(endpoints, key=lambda endpoint: -endpoint.priority)
    from octoroute.balancing.policies.provider_order import group_by_provider  # noqa: PLC0415  commands import lazily

    groups = group_by_provider(endpoints)
    if order == "priority":
        groups.sort(key=lambda models: -max(endpoint.priority for endpoint in models))
    return [endpoint for models in groups for endpoint in models]


def _about(endpoint: Endpoint) -> str:
    kind = "" if endpoint.kind == endpoint.provider else f" ({endpoint.kind})"
    return f"model {endpoint.model}, provider {endpoint.provider}{kind}"
