"""`octoroute import FILE`: converts another program's configuration, or one of octoroute in YAML or JSON, to TOML."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="a file of LiteLLM, claude-code-router, llama-swap, Portkey, or claude-code-proxy; or octoroute's own in JSON or YAML",
    )


def run(args: argparse.Namespace) -> int:
    from octoroute.config import environment  # noqa: PLC0415  commands import lazily
    from octoroute.config.importers.writer import conceal, to_toml  # noqa: PLC0415
    from octoroute.config.load import import_tree  # noqa: PLC0415

    file: Path = args.file
    config = import_tree(file, environment.variables(Path.cwd()), Path.cwd())
    concealed = conceal(config.tree)
    print(to_toml(concealed, f"From {file.name!r} by `octoroute import`."), end="")
    print_remarks(
        [*config.warnings, *(f"set {name} to the secret that was at {path}" for name, path in concealed.variables.items())]
    )
    return 0


def print_remarks(remarks: list[str]) -> None:
    """Print to standard error, because standard output is the new file."""
    for remark in remarks:
        print(f"octoroute: {remark}", file=sys.stderr)
