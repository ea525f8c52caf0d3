"""`octoroute doctor`: one file with what an issue needs: versions, the configuration without secrets, health, recent errors.

It has no key, no prompt, and no answer. Addresses and the names of models, endpoints, and files are in it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from octoroute.config import Config

FILE = "octoroute-doctor.md"
TIMEOUT_S = 5.0
MAX_BODY = 100_000
"""Characters of one answer of the gateway."""
MAX_ERRORS = 20
_PATHS = ("/health", "/models")
_FIELDS = ("time", "request_id", "dialect", "ending", "status", "error", "endpoint", "tier", "attempts")
"""Of a record of the traffic log: none of them has a client's text."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path(FILE), help=f"the file; - for the terminal (default: {FILE})"
    )


def run(args: argparse.Namespace) -> int:
    from octoroute.cli.versions import versions  # noqa: PLC0415  commands import lazily
    from octoroute.config import environment, load  # noqa: PLC0415
    from octoroute.config.secret_mask import mask  # noqa: PLC0415
    from octoroute.errors import ConfigError  # noqa: PLC0415

    sections = {"Versions": list(versions()), "Machine": list(_machine())}
    try:
        config = load(args.config, environment.variables(Path.cwd()), Path.cwd())
    except ConfigError as error:
        sections["Configuration"] = [f"cannot be used: {problem}" for problem in error.problems]
    else:
        sections["Configuration"] = json.dumps(mask(config), indent=2, ensure_ascii=False, default=str).splitlines()
        sections["Warnings"] = list(config.warnings) or ["none"]
        sections["Running gateway"] = list(_gateway(config))
        sections["Errors in the traffic log"] = list(_errors(config))
    text = report(sections)
    if str(args.output) == "-":
        print(text, end="")
        return 0
    try:
        args.output.write_text(text, "utf-8")
    except OSError as error:
        print(f"octoroute: {args.output} cannot be written: {error.strerror}; name another file with -o", file=sys.stderr)
        return 1
    print(f"{args.output} is written. It has no key and no prompt, but addresses and names: read it before you publish it.")
    return 0


def report(sections: Mapping[str, Sequence[str]]) -> str:
    """The text of the file, in Markdown, as issues are written."""
    return "\n".join("\n".join([f"## {title}", "", "```", *lines, "```", ""]) for title, lines in sections.items())


def _machine() -> Iterator[str]:
    import resource  # noqa: PLC0415  commands import lazily

    yield f"system       {platform.platform()}"
    yield f"cores        {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}"
    yield f"descriptors  {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}"


def _gateway(config: Config) -> Iterator[str]:
    """What the gateway of this configuration says, if it runs."""
    import httpx2  # noqa: PLC0415  commands import lazily

    scheme = "https" if config.server.tls.cert_file else "http"
    host = f"[{config.server.host}]" if ":" in config.server.host else config.server.host
    root = f"{scheme}://{host}:{config.server.port}{config.server.root_path.rstrip('/')}"
    keys = (*config.auth.admin_keys, *config.auth.keys)
    headers = {"authorization": f"Bearer {keys[0].reveal()}"} if keys else {}
    if not config.server.port:
        yield "not asked: server.port is 0, so it is not known where the gateway listens"
        return
    with httpx2.Client(timeout=TIMEOUT_S, trust_env=False, verify=False, headers=headers) as client:
        for path in _PATHS:
            try:
                answer = client.get(f"{root}{path}")
            except httpx2.TransportError as error:
                yield f"{root} does not answer: {type(error).__name__}"
                return
            yield f"GET {path}: {answer.status_code}"
            yield from _pretty(answer.text[:MAX_BODY])


def _pretty(text: str) -> Sequence[str]:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False).splitlines()
    except ValueError:
        return text.splitlines()


def _errors(config: Config) -> Iterator[str]:
    """The last requests that did not go well, without what clients and models said."""
    from octoroute.telemetry.traffic_log.reader import lines, read, writers  # noqa: PLC0415  commands import lazily

    traffic = config.logging.traffic
    if not traffic.enabled:
        yield "logging.traffic is off"
        return
    found: deque[dict[str, Any]] = deque(maxlen=MAX_ERRORS)
    for writer in writers(Path(traffic.directory), traffic.name):
        for line in lines(Path(traffic.directory), writer):
            record = read(line)
            if record is not None and record.get("ending") != "answered":
                found.append({name: record[name] for name in _FIELDS if name in record})
    yield from (json.dumps(record, ensure_ascii=False) for record in found)
    if not found:
        yield "none"
