"""`octoroute stats`: statistics of the history, as plots and a table, JSON, or CSV."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from octoroute.cli.plot import bar, narrowed, sparkline
from octoroute.errors import BadRequest, ConfigError, OctorouteError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from octoroute.config.schema import Config
    from octoroute.store.base import Aggregate
    from octoroute.store.statistics import StatsReport
    from octoroute.store.stored_history import StoredHistory

PLOT_WIDTH = 72
MAX_GROUPS = 40
"""Lines of the table; the rest is in JSON and CSV."""
_BAR = 12
_HEADINGS = ("requests", "", "errors", "tokens in", "out", "cost USD", "p50 ms", "p95 ms", "first p95")

_T = TypeVar("_T")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from", dest="since", metavar="TIME", help="e.g. 7d, 24h, 2026-11-30, or a time of RFC 3339 (default: a day before)"
    )
    parser.add_argument("--to", dest="until", metavar="TIME", help="likewise (default: now)")
    parser.add_argument(
        "--by", metavar="A,B", default="", help="groups: key, tier, model, endpoint, provider, reason, error, …; hour or day"
    )
    parser.add_argument("--bucket", choices=("hour", "day", "all"), help="of time (default: hour up to two days, else day)")
    parser.add_argument(
        "--where", metavar="NAME=VALUE", action="append", default=[], help="only such requests, e.g. key=team; may be repeated"
    )
    parser.add_argument(
        "--analysis",
        action="store_true",
        help="escalations, cost by reason, anomalies, unused endpoints, cheaper tiers (default: a week)",
    )
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print JSON, as GET /admin/stats answers")
    forms.add_argument("--csv", action="store_true", help="print CSV")


def run(args: argparse.Namespace) -> int:
    try:
        if args.analysis:
            _print_analysis(args)
        else:
            _print_statistics(args)
    except BadRequest as error:
        raise ConfigError([f"{error.param}: {error.message}"]) from error
    return 0


def _print_statistics(args: argparse.Namespace) -> None:
    from octoroute.store.statistics import as_csv, as_tree, statistics, stats_query  # noqa: PLC0415  commands import lazily

    query = stats_query(_parameters(args), time.time())
    found = ask_history(loaded_config(args.config), lambda history: statistics(history, query))
    if args.json:
        print(json.dumps(as_tree(found), indent=2, ensure_ascii=False))
    elif args.csv:
        sys.stdout.write(as_csv(found))
    else:
        print("\n".join(lines(found)))


def _print_analysis(args: argparse.Namespace) -> None:
    from octoroute.cli.analysis_text import analysis_lines  # noqa: PLC0415  commands import lazily
    from octoroute.store.analysis import analyse, analysis_query, analysis_tree  # noqa: PLC0415

    if args.csv:
        raise ConfigError(["--csv: an analysis is text or --json"])
    query = analysis_query(_parameters(args), time.time())
    config = loaded_config(args.config)
    endpoints = (*config.endpoints, *config.other_endpoints)
    tree = analysis_tree(ask_history(config, lambda history: analyse(history, query, endpoints)))
    print(json.dumps(tree, indent=2, ensure_ascii=False) if args.json else "\n".join(analysis_lines(tree)))


def loaded_config(path: Path | None) -> Config:
    from octoroute.config import environment, load  # noqa: PLC0415  commands import lazily

    return load(path, environment.variables(Path.cwd()), Path.cwd())


def ask_history(config: Config, question: Callable[[StoredHistory], Awaitable[_T]]) -> _T:
    """The answer of the history that a configuration names. Raises ConfigError, or OctorouteError if it cannot be read."""
    from octoroute.config import environment  # noqa: PLC0415  commands import lazily
    from octoroute.runtime.persistence import stored_history, vault_of  # noqa: PLC0415
    from octoroute.store.base import StoreUnavailable  # noqa: PLC0415

    state = environment.state_directory(environment.variables(Path.cwd()))
    history = stored_history(config.store.url.reveal(), state, vault_of(config))

    async def ask() -> _T:
        try:
            return await question(history)
        finally:
            history.close()

    try:
        return asyncio.run(ask())
    except StoreUnavailable as error:
        raise OctorouteError(f"the history cannot be read: {error}") from error


def _parameters(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    if args.by:
        yield "by", args.by
    for name, value in (("from", args.since), ("to", args.until), ("bucket", args.bucket)):
        if value is not None:
            yield name, value
    for condition in args.where:
        name, equals, value = condition.partition("=")
        if not equals:
            raise ConfigError([f"--where: write NAME=VALUE, not {condition[:60]!r}"])
        yield name, value


def lines(found: StatsReport) -> Iterator[str]:
    """For a terminal."""
    from octoroute.domain.time_text import time_text  # noqa: PLC0415  commands import lazily
    from octoroute.store.statistics import row_of  # noqa: PLC0415

    query = found.query
    yield f"{time_text(query.since_s)} to {time_text(query.until_s)}, by {query.bucket if query.bucket != 'all' else 'no time'}"
    if not found.total.requests:
        yield "no requests"
        return
    yield ""
    yield from _plots(found, row_of(found.total))
    yield ""
    yield from _table(found)


def _plots(found: StatsReport, total: Mapping[str, Any]) -> Iterator[str]:
    from octoroute.store.statistics import BUCKETS, errors_of  # noqa: PLC0415  commands import lazily

    query, each = found.query, BUCKETS[found.query.bucket]
    places: list[Aggregate | None] = list(found.times)
    if each is not None:
        by_start = {one.start_s: one for one in found.times}
        places = [by_start.get(start) for start in range(query.since_s // each * each, query.until_s, each)]
    share = 100 * total["errors"] / total["requests"]
    latency, first = _times_text(total, "latency"), _times_text(total, "first_token")
    plots: tuple[tuple[str, list[float | None], Callable[[Sequence[float]], float], str], ...] = (
        ("requests", [0 if one is None else one.requests for one in places], sum, f"{total['requests']:,}"),
        ("errors", [0 if one is None else errors_of(one) for one in places], sum, f"{total['errors']:,} ({share:.1f} %)"),
        ("cost", [0 if one is None else one.cost_nusd for one in places], sum, f"${total['cost_usd']}{_unpriced(total)}"),
        ("p95", [None if one is None else one.total.percentile_s(0.95) for one in places], max, latency),
        ("first p95", [None if one is None else one.first_event.percentile_s(0.95) for one in places], max, first),
    )
    for name, values, combine, text in plots:
        few, _ = narrowed(values, PLOT_WIDTH, combine)
        yield f"{name:<10} {sparkline(few)}  {text}"


def _times_text(total: Mapping[str, Any], name: str) -> str:
    return "  ".join(f"p{percent} {_number(total[f'{name}_p{percent}_ms'])} ms" for percent in (50, 95, 99))


def _unpriced(total: Mapping[str, Any]) -> str:
    count = total["requests"] - total["priced"]
    return f" (no price is known of {count:,})" if count else ""


def _table(found: StatsReport) -> Iterator[str]:
    from octoroute.store.statistics import row_of  # noqa: PLC0415  commands import lazily

    groups = found.groups[:MAX_GROUPS]
    largest = max(one.requests for one in groups)
    cells: list[tuple[str, ...]] = [(*found.query.by, *_HEADINGS)]
    for one in groups:
        row = row_of(one)
        cells.append(
            (
                *(value or "-" for value in one.group.values()),
                f"{one.requests:,}",
                bar(one.requests / largest, _BAR),
                f"{row['errors']:,}",
                *(f"{row[name]:,}" for name in ("input_tokens", "output_tokens")),
                row["cost_usd"],
                *(_number(row[name]) for name in ("latency_p50_ms", "latency_p95_ms", "first_token_p95_ms")),
            )
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    names = len(found.query.by)
    for line in cells:
        texts = (
            text.ljust(width) if at < names else text.rjust(width)
            for at, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join(texts).rstrip()
    if len(found.groups) > MAX_GROUPS:
        yield f"and {len(found.groups) - MAX_GROUPS} more; --csv and --json have all"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
