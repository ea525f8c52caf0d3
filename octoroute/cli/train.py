"""`octoroute train`: fits the learned router to one's own labels, and keeps the result only if it is better."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from octoroute.domain.version import __version__
from octoroute.errors import ConfigError

if TYPE_CHECKING:
    from octoroute.routing.training.train import TrainingResult


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", action="append", required=True, metavar="FILE", help="labelled questions; may be given more than once"
    )
    parser.add_argument("--format", default="auto", help="auto, jsonl, routellm, routerbench, or routerarena (default: auto)")
    parser.add_argument("--strong", metavar="NAME", help="the strong model's column, where a file holds more than one")
    parser.add_argument("--weak", metavar="NAME", help="the weak model's column")
    parser.add_argument(
        "-o", "--output", default="router.json", metavar="FILE", help="where the artefact goes (default: router.json)"
    )
    parser.add_argument("--prior", metavar="FILE", help="shrink to this artefact instead of the shipped one")
    parser.add_argument("--seed", type=int, default=0, help="of folds and bootstrap (default: 0)")
    parser.add_argument("--force", action="store_true", help="write the artefact even if it is not better; replace the output file")
    parser.add_argument(
        "--base", action="store_true", help="make the shipped artefact again from this data, instead of adding to it"
    )


def run(args: argparse.Namespace) -> int:
    from octoroute.routing.training import fit  # noqa: PLC0415  commands import lazily

    output = Path(args.output)
    _refuse_output(output, force=args.force)
    if args.base:
        if len(args.data) > 1:
            raise ConfigError(["--base takes one --data file"])
        return fit.main(["--data", args.data[0], "--output", args.output])
    return _train(args, output)


def _refuse_output(output: Path, *, force: bool) -> None:
    from octoroute.routing.difficulty.model import shipped_path  # noqa: PLC0415

    if output.exists() and shipped_path().exists() and output.samefile(shipped_path()):
        raise ConfigError(
            [f"--output {output}: this is the shipped artefact; write somewhere else and set routing.learned.artefact"]
        )
    if output.exists() and not force:
        raise ConfigError([f"--output {output}: exists already; name another file, or add --force"])
    if not output.parent.is_dir():
        raise ConfigError([f"--output {output}: there is no directory {output.parent}"])


def _train(args: argparse.Namespace, output: Path) -> int:
    from octoroute.routing.difficulty.model import Provenance, load, save, shipped_path  # noqa: PLC0415
    from octoroute.routing.training.datasets import digest, read_rows  # noqa: PLC0415
    from octoroute.routing.training.train import MIN_LABELS, RECOMMENDED_LABELS, train  # noqa: PLC0415

    rows = [row for path in args.data for row in read_rows(path, kind=args.format, strong=args.strong, weak=args.weak)]
    rows = [row for row in rows if row.labelled]
    if len(rows) < MIN_LABELS:
        raise ConfigError(
            [f"--data: {len(rows)} labelled questions; below {MIN_LABELS} training makes routing worse; the shipped artefact stays"]
        )
    if not sum(row.gain for row in rows) > 0:
        raise ConfigError(
            ["--data: the strong model is no better than the weak one on these questions, so there is nothing to learn"]
        )
    if len(rows) < RECOMMENDED_LABELS:
        print(f"warning: {len(rows)} labels; it pays clearly from about {RECOMMENDED_LABELS}", file=sys.stderr)
    prior = args.prior or shipped_path()
    provenance = Provenance(
        made_by="octoroute train",
        octoroute=__version__,
        seed=args.seed,
        data=[f"{Path(path).name} sha256:{digest(path)} {len(rows)} rows in all" for path in args.data],
        prior=f"{Path(prior).name} sha256:{digest(prior)}",
    )
    print(f"… {len(rows)} labels", file=sys.stderr)
    training = train(rows, load(args.prior), provenance, seed=args.seed, force=args.force)
    _tell(training)
    if training.model is None:
        print("not better than what is installed: nothing was written (--force writes it all the same)", file=sys.stderr)
        return 1
    save(training.model, output)
    print(f'written to {output}; use it with [routing.learned] artefact = "{output}"')
    return 0


def _tell(training: TrainingResult) -> None:
    low, high = training.difference.low, training.difference.high
    print(f"labels            {training.labels}, mostly {training.recipe}")
    print(f"before            APGR {training.prior_apgr:.3f}")
    print(f"trained           APGR {training.apgr:.3f} (cross-validated), own labels weigh {training.blend:.0%}")
    difference = training.apgr - training.prior_apgr
    print(f"difference        {difference:+.3f} [{low:+.3f}, {high:+.3f}]; better in {training.confidence:.0%} of resamples")
