"""`octoroute audit verify`: checks the chain of hashes of the audit log. And how other commands write to it."""

from __future__ import annotations

import argparse
import getpass
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from octoroute.errors import ConfigError, OctorouteError

if TYPE_CHECKING:
    from octoroute.config.schema import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("verify",), help="verify: find lines that were changed, removed, or put in")
    parser.add_argument("file", metavar="FILE", type=Path, nargs="?", help="the audit log (default: that of the configuration)")
    parser.add_argument("--head", metavar="HASH", help="a hash printed earlier, which must still be in the log")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from octoroute.access.audit import verify  # noqa: PLC0415  commands import lazily

    path = args.file or _configured(args)
    try:
        found = verify(path, args.head)
    except OSError as error:
        raise OctorouteError(f"the audit log {path} cannot be read: {error.strerror}") from error
    if args.json:
        print(json.dumps({"file": str(path), "lines": found.lines, "head": found.head, "problem": found.problem}))
    else:
        print(f"{path}: {found.problem or 'nothing was changed'}; {found.lines} lines are right, up to {found.head}")
    return 0 if found.problem is None else 1


def _configured(args: argparse.Namespace) -> Path:
    from octoroute.config import environment, load  # noqa: PLC0415  commands import lazily

    file = load(args.config, environment.variables(Path.cwd()), Path.cwd()).audit.file
    if not file:
        raise ConfigError(["audit.file: is not set; set it, or name the file: octoroute audit verify FILE"])
    return Path(file)


def write_audit(
    config: Config, action: str, details: Mapping[str, str], outcome: str = "done", *, now: float | None = None
) -> None:
    """Write what a command has changed to the audit log, if there is one. Raises OctorouteError if it cannot be written."""
    from octoroute.access.audit import AuditEvent, AuditLog  # noqa: PLC0415  commands import lazily

    if not config.audit.file:
        return
    at = time.time() if now is None else now
    event = AuditEvent(at=at, actor=f"cli:{getpass.getuser()}", action=action, outcome=outcome, details=details)
    try:
        AuditLog(Path(config.audit.file)).append([event])
    except OSError as error:
        raise OctorouteError(f"{action}: {outcome}, but the audit log cannot be written: {error.strerror}") from error
