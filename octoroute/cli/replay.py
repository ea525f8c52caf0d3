"""`octoroute replay`: estimates what another configuration would have achieved on logged decisions."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from octoroute.errors import ConfigError

if TYPE_CHECKING:
    from octoroute.routing.training.replay import Estimate, ReplayPolicy, ReplayReport


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--policy", required=True, type=Path, metavar="FILE", help="the other configuration; its strategy must be learned"
    )
    parser.add_argument(
        "--log", required=True, type=Path, metavar="FILE", help="the JSON log of the gateway, or the file of the shadow"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the resamples (default: 0)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    from octoroute.routing.training.replay import compare, read_decisions  # noqa: PLC0415  commands import lazily

    policy = _policy(args.policy)
    lines = read_decisions(args.log)
    reports = compare(lines, policy, args.seed)
    if args.json:
        import msgspec  # noqa: PLC0415

        print(json.dumps({"decisions": len(lines), "outcomes": msgspec.to_builtins(reports)}, indent=2))
    else:
        print("\n".join(_table(len(lines), sum(line.by_threshold for line in lines), reports)))
    return 0


def _policy(path: Path) -> ReplayPolicy:
    from octoroute.config import environment, load  # noqa: PLC0415  commands import lazily
    from octoroute.domain.endpoint import CHAT_TIERS  # noqa: PLC0415
    from octoroute.routing.difficulty.model import load as load_artefact  # noqa: PLC0415
    from octoroute.routing.difficulty.thresholds import thresholds_of  # noqa: PLC0415
    from octoroute.routing.training.replay import ReplayPolicy  # noqa: PLC0415

    config = load(path, environment.variables(Path.cwd()), Path.cwd())
    if config.routing.strategy != "learned":
        raise ConfigError([f"--policy {path}: routing.strategy is {config.routing.strategy}; only learned can be replayed"])
    options = config.routing.learned
    thresholds = thresholds_of(options, load_artefact(options.artefact).model.percentiles)
    tiers = tuple(tier for tier in CHAT_TIERS if any(endpoint.tier is tier for endpoint in config.endpoints))
    return ReplayPolicy(thresholds, config.routing.learned.explore, tiers)


def _table(decisions: int, free: int, reports: Sequence[ReplayReport]) -> Iterator[str]:
    yield f"{decisions} decisions, {free} of them by score; the others are the same under both policies."
    yield "Both policies must use the artefact that produced the scores in the log."
    for report in reports:
        yield ""
        yield f"{report.outcome}: {report.decisions} decisions, effective sample size {report.effective:.0f} under the new policy"
        rows = (
            ("current", report.today),
            ("new, inverse propensity", report.ips),
            ("new, self-normalised", report.snips),
            ("new, doubly robust", report.doubly_robust),
            ("new minus current", report.difference),
        )
        yield from (f"  {name:<24} {_shown(estimate)}" for name, estimate in rows)
        if report.effective < 100 or report.effective < 0.1 * report.decisions:
            yield "  WARNING: the new policy would make too few of the logged decisions; raise `explore` or collect more traffic"
        elif report.difference.low <= 0.0 <= report.difference.high:
            yield "  The difference is not significant."


def _shown(estimate: Estimate) -> str:
    return f"{estimate.value:10.5f}  [{estimate.low:.5f}, {estimate.high:.5f}]"
