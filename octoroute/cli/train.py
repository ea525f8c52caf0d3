"""`octoroute train`: trains the learned router on the user's labels and writes the result only if it is better."""

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
    parser.add_argument("--strong", metavar="NAME", help="column of the strong model, if the file has several")
    parser.add_argument("--weak", metavar="NAME", help="column of the weak model")
    parser.add_argument("-o", "--output", default="router.json", metavar="FILE", help="the file to write (default: router.json)")
    parser.add_argument("--prior", metavar="FILE", help="regularise towards this artefact instead of the shipped one")
    parser.add_argument("--seed", type=int, default=0, help="seed of folds and bootstrap (default: 0)")
    parser.add_argument(
        "--force", action="store_true", help="write the artefact even if it is not better, and overwrite an existing file"
    )
    parser.add_argument(
        "--base", action="store_true", help="rebuild the shipped artefact from this data alone, instead of adding to it"
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
            [f"--output {output}: this is the shipped artefact; write to another file and set routing.learned.artefact"]
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
            [f"--data: {len(rows)} labelled questions; below {MIN_LABELS}, training makes routing worse; nothing was written"]
        )
    if not sum(row.gain for row in rows) > 0:
        raise ConfigError(
            ["--data: the strong model is not better than the weak one on these questions, so there is nothing to learn"]
        )
    if len(rows) < RECOMMENDED_LABELS:
        print(f"warning: only {len(rows)} labels; a clear benefit needs about {RECOMMENDED_LABELS}", file=sys.stderr)
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
    _print_result(training)
    if training.model is None:
        print(
            "the result is not better than the installed artefact; nothing was written (--force writes it anyway)", file=sys.stderr
        )
        return 1
    save(training.model, output)
    print(f'written to {output}; use it with [routing.learned] artefact = "{output}"')
    return 0


def _print_result(training: TrainingResult) -> None:
    low, high = training.difference.low, training.difference.high
    print(f"labels            {training.labels}, mostly {training.recipe}")
    print(f"before            APGR {training.prior_apgr:.3f}")
    print(f"trained           APGR {training.apgr:.3f} (cross-validated), own labels weigh {training.blend:.0%}")
    difference = training.apgr - training.prior_apgr
    print(f"difference        {difference:+.3f} [{low:+.3f}, {high:+.3f}]; better in {training.confidence:.0%} of resamples")
