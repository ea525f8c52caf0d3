"""`octoroute eval`: measures routers on labelled questions, always next to the baselines random, length, rule, and oracle."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

if TYPE_CHECKING:
    from octoroute.routing.training.datasets import DatasetRow
    from octoroute.routing.training.evaluation import Cell, EvaluationReport


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", action="append", required=True, metavar="FILE", help="labelled questions; may be given more than once"
    )
    parser.add_argument("--format", default="auto", help="auto, jsonl, routellm, routerbench, or routerarena (default: auto)")
    parser.add_argument("--strong", metavar="NAME", help="column of the strong model, if the file has several")
    parser.add_argument("--weak", metavar="NAME", help="column of the weak model")
    parser.add_argument(
        "--router",
        action="append",
        metavar="NAME",
        help="learned (default), cascade, rule, length, random, oracle, or MODULE:FUNCTION; may be given more than once",
    )
    parser.add_argument("--artefact", metavar="FILE", help="score with this file from `octoroute train` instead of the shipped one")
    parser.add_argument("--plot", metavar="FILE.svg", help="write the cost-quality curves")
    parser.add_argument("--scores", metavar="FILE", help='write {"id", "score"} lines of the first --router')
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--groups", action="store_true", help="also print a row for each group")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap (default: 0)")
    parser.add_argument("--resamples", type=int, default=1000, help="maximum number of bootstrap resamples (default: 1000)")


def run(args: argparse.Namespace) -> int:
    from octoroute.routing.difficulty.model import load  # noqa: PLC0415
    from octoroute.routing.training.baselines import REFERENCES, scores_of  # noqa: PLC0415  commands import lazily
    from octoroute.routing.training.datasets import read_rows  # noqa: PLC0415
    from octoroute.routing.training.evaluation import evaluate  # noqa: PLC0415

    rows = [row for path in args.data for row in read_rows(path, kind=args.format, strong=args.strong, weak=args.weak)]
    scorer = load(args.artefact)
    wanted: list[str] = args.router or ["learned"]
    if args.scores:
        _write_scores(args.scores, rows, scores_of(wanted[0], rows, scorer, _progress))
    labelled = [row for row in rows if row.labelled]
    if not labelled:
        if args.scores:
            _progress(f"{len(rows)} questions scored; none is labelled, so routers cannot be compared")
            return 0
        print("octoroute: no question has labels (strong, weak); without labels only --scores can be written", file=sys.stderr)
        return 1
    if len(labelled) < len(rows):
        _progress(f"{len(rows) - len(labelled)} questions without labels are ignored")
    names = list(dict.fromkeys([*REFERENCES[:-1], *wanted, REFERENCES[-1]]))
    scores = {name: scores_of(name, labelled, scorer, _progress) for name in names}
    report = evaluate(labelled, scores, seed=args.seed, times=max(100, args.resamples), progress=_progress)
    if args.plot:
        _plot(args.plot, labelled, scores)
    print(_json(report) if args.json else "\n".join(_tables(report, groups=args.groups)))
    return 0


def _progress(text: str) -> None:
    print(f"… {text}", file=sys.stderr)


def _write_scores(path: str, rows: Sequence[DatasetRow], scores: Sequence[float]) -> None:
    lines = [json.dumps({"id": row.id, "score": score}) for row, score in zip(rows, scores, strict=True)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _plot(path: str, rows: Sequence[DatasetRow], scores: dict[str, list[float]]) -> None:
    """Write the curves over all data sets together; the tables separate them."""
    from octoroute.routing.training.evaluation import points_of  # noqa: PLC0415
    from octoroute.routing.training.plot import svg  # noqa: PLC0415

    curves = {name: points_of(rows, values) for name, values in scores.items()}
    Path(path).write_text(svg(curves, f"Quality over the share of strong calls, {len(rows)} questions"), encoding="utf-8")


def _json(report: EvaluationReport) -> str:
    """Return the report as JSON; NaN, which JSON lacks, becomes null."""
    return json.dumps(_without_nan(msgspec.to_builtins(report)), indent=2)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, float):
        return round(value, 6) if value == value else None  # noqa: PLR0124 - NaN differs from itself
    return value


_HEADINGS = ("router", "APGR", "95 %", "against length", "CPT20", "CPT50", "CPT80", "AIQ", "APGR*")
_WIDTHS = (22, 6, 15, 17, 6, 6, 6, 7, 6)


def _tables(report: EvaluationReport, *, groups: bool) -> Iterator[str]:
    for name, table in report.sets.items():
        yield f"\n{name}: {table.questions} questions, weak {table.weak:.3f}, strong {table.strong:.3f}"
        if table.strong <= table.weak:
            yield "  the strong model is not better here, so there is no gap to recover"
            continue
        yield from _lines(table.routers)
    if report.macro:
        yield "\nmacro mean over the sets"
        yield from _lines(report.macro)
    if groups and report.groups:
        routers = list(next(iter(report.groups.values())))
        yield "\nAPGR by group"
        yield "  " + "group".ljust(44) + "".join(router[:12].rjust(13) for router in routers)
        for name, cells in report.groups.items():
            yield "  " + name[-44:].ljust(44) + "".join(f"{cells[router]:.3f}".rjust(13) for router in routers)
    yield ""
    yield f"CPT in % of strong calls, lower is better. APGR*: as in RouteLLM. {report.times} resamples, seed {report.seed}."


def _lines(cells: dict[str, Cell]) -> Iterator[str]:
    yield "  " + " ".join(heading.ljust(width) for heading, width in zip(_HEADINGS, _WIDTHS, strict=True)).rstrip()
    for router, cell in cells.items():
        row = (
            router[-22:],
            _figure(cell.apgr),
            f"[{_figure(cell.interval.low)}, {_figure(cell.interval.high)}]",
            "-"
            if router == "length"
            else f"[{_figure(cell.better_than_length.low, '+.3f')}, {_figure(cell.better_than_length.high, '+.3f')}]",
            *(_figure(100.0 * value, ".1f") for value in (cell.cpt20, cell.cpt50, cell.cpt80)),
            _figure(cell.aiq, ".4f"),
            _figure(cell.apgr_routellm),
        )
        yield "  " + " ".join(text.ljust(width) for text, width in zip(row, _WIDTHS, strict=True)).rstrip()


def _figure(value: float, form: str = ".3f") -> str:
    return format(value, form) if value == value else "-"  # noqa: PLR0124 - NaN differs from itself
