"""`octoroute import FILE`: another program's configuration, or ours in YAML or JSON, as TOML on standard output."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="providers.json in JSON or YAML, or a configuration of octoroute's own"
    )


def run(args: argparse.Namespace) -> int:
    from octoroute.config import environment  # noqa: PLC0415  commands import lazily
    from octoroute.config.importers.writer import conceal, to_toml  # noqa: PLC0415
    from octoroute.config.load import import_tree  # noqa: PLC0415

    file: Path = args.file
    given = import_tree(file, environment.variables(Path.cwd()), Path.cwd())
    concealed = conceal(given.tree)
    print(to_toml(concealed, f"From {file.name!r} by `octoroute import`."), end="")
    tell([*given.warnings, *(f"set {name} to the secret that was at {path}" for name, path in concealed.variables.items())])
    return 0


def tell(remarks: list[str]) -> None:
    """On standard error, so that standard output is the file and nothing else."""
    for remark in remarks:
        print(f"octoroute: {remark}", file=sys.stderr)
