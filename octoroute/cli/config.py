"""`octoroute config [--env] [-o FILE]`: writes the template to standard output or a new file. Reads no configuration."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from octoroute.errors import OctorouteError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write to a new file; an existing file is never overwritten"
    )
    parser.add_argument("--env", action="store_true", help="print the template of a .env file instead")


def run(args: argparse.Namespace) -> int:
    from octoroute.config.render.dotenv_template import dotenv_template  # noqa: PLC0415  commands import lazily
    from octoroute.config.render.template import template  # noqa: PLC0415

    text = dotenv_template() if args.env else template()
    output: Path | None = args.output
    if output is None:
        print(text, end="")
        return 0
    write_new(output, text)
    print(f"octoroute: wrote {output}", file=sys.stderr)
    if args.env:
        return 0
    print(f"octoroute: edit it, then start with `octoroute --config {output}`", file=sys.stderr)
    return 0


def write_new(path: Path, text: str) -> None:
    """Create a file with this text. Raises OctorouteError if the path exists or cannot be written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise OctorouteError(f"{path} already exists; remove it, or choose another path with -o") from error
    except FileNotFoundError as error:
        raise OctorouteError(f"{path} cannot be written: the directory {path.parent} does not exist; create it first") from error
    except PermissionError as error:
        raise OctorouteError(f"{path} cannot be written: no permission; check that {path.parent} is writable") from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a valid path"
        raise OctorouteError(f"{path} cannot be written: {reason}; choose another path with -o") from error
