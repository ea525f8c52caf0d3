"""`octoroute config [--env] [-o FILE]`: the template, on standard output or as a new file. Reads no configuration."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from octoroute.errors import OctorouteError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write it to a new file; never overwrites")
    parser.add_argument("--env", action="store_true", help="the template of a .env file instead")


def run(args: argparse.Namespace) -> int:
    from octoroute.config import environment  # noqa: PLC0415  commands import lazily
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
    print(f"octoroute: edit it, then start with `{environment.command()} serve --config {output}`", file=sys.stderr)
    return 0


def is_template(path: Path) -> bool:
    """Whether the file is the template, byte for byte, as a clone has it: nothing of the user's is in it."""
    from octoroute.config.render.template import template  # noqa: PLC0415  commands import lazily

    expected = template().encode()
    try:
        return path.stat().st_size == len(expected) and path.read_bytes() == expected
    except OSError:
        return False


def write_new(path: Path, text: str, *, replace_template: bool = False) -> None:
    """Create a file with this text; raises OctorouteError if anything is there already that may not be replaced."""
    try:
        if replace_template and is_template(path):
            path.unlink()
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise OctorouteError(f"{path} already exists; remove it, or choose another path with -o") from error
    except FileNotFoundError as error:
        raise OctorouteError(f"{path} cannot be written: the directory {path.parent} does not exist; create it first") from error
    except PermissionError as error:
        raise OctorouteError(f"{path} cannot be written: no permission; check that {path.parent} is writable") from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is not a path"
        raise OctorouteError(f"{path} cannot be written: {reason}; choose another path with -o") from error
