"""`octoroute logs`: statistics, cleanup, and content of the traffic log files."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octoroute.cli import plural

if TYPE_CHECKING:
    from octoroute.config.schema import LoggingTable


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("stats", "cleanup", "cat"),
        help="stats: summarise; cleanup: remove and compress old files; cat: print records",
    )
    parser.add_argument("--directory", metavar="DIR", type=Path, help="read this directory instead of the configured one")
    parser.add_argument("--name", metavar="NAME", help="base name of the files, instead of the configured one")
    parser.add_argument("--request-id", metavar="ID", help="cat: only the request with this id")
    parser.add_argument("--endpoint", metavar="ID", help="cat: only requests that this endpoint answered")
    parser.add_argument(
        "--ending", choices=("answered", "refused", "failed", "broken", "abandoned"), help="cat: only requests with this ending"
    )

    parser.add_argument("--json", action="store_true", help="print JSON; cat prints it anyway")


def run(args: argparse.Namespace) -> int:
    logging = _settings(args)
    directory = args.directory or Path(logging.traffic.directory)
    name = args.name or logging.traffic.name
    if args.what == "cat":
        _cat(directory, name, args)
        return 0
    found = _stats(directory, name) if args.what == "stats" else _cleanup(directory, name, logging)
    if args.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_stats_text(found) if args.what == "stats" else _cleanup_text(found)))
    return 0


def _settings(args: argparse.Namespace) -> LoggingTable:
    from octoroute.config import environment, load  # noqa: PLC0415  commands import lazily
    from octoroute.config.schema import LoggingTable  # noqa: PLC0415

    if args.directory is not None and args.config is None:
        return LoggingTable()
    return load(args.config, environment.variables(), Path.cwd()).logging


def _cat(directory: Path, name: str, args: argparse.Namespace) -> None:
    from octoroute.telemetry.traffic_log.reader import RecordFilter, lines, read, writers  # noqa: PLC0415  commands import lazily

    wanted = RecordFilter(request_id=args.request_id, endpoint=args.endpoint, ending=args.ending)
    for writer in writers(directory, name):
        for line in lines(directory, writer):
            record = read(line)
            if record is not None and wanted.takes(record):
                sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _stats(directory: Path, name: str) -> Mapping[str, Any]:
    from octoroute.telemetry.traffic_log.reader import lines, read, writers  # noqa: PLC0415
    from octoroute.telemetry.traffic_log.rotation import SUFFIX, rotated_files  # noqa: PLC0415  commands import lazily

    endings: Counter[str] = Counter()
    endpoints: Counter[str] = Counter()
    times: list[str] = []
    unreadable = files = size = 0
    for writer in writers(directory, name):
        paths = [file.path for file in rotated_files(directory, writer)]
        live = directory / f"{writer}{SUFFIX}"
        paths += [live] if live.exists() else []
        files += len(paths)
        size += sum(path.stat().st_size for path in paths)
        for line in lines(directory, writer):
            record = read(line)
            if record is None:
                unreadable += 1
                continue
            endings[str(record.get("ending"))] += 1
            endpoints[str(record.get("endpoint", "none"))] += 1
            time_ = str(record.get("time", ""))
            times = [min([*times, time_]), max([*times, time_])]
    return {
        "path": str(directory / name),
        "files": files,
        "bytes": size,
        "requests": endings.total(),
        "first": times[0] if times else None,
        "last": times[1] if times else None,
        "endings": dict(endings.most_common()),
        "endpoints": dict(endpoints.most_common()),
        "unreadable_lines": unreadable,
    }


def _stats_text(found: Mapping[str, Any]) -> Iterator[str]:
    sizes = plural(found["files"], "file"), plural(found["bytes"], "byte"), plural(found["requests"], "request")
    yield f"{found['path']}: {', '.join(sizes)}"
    if found["first"] is not None:
        yield f"  from {found['first']} to {found['last']}"
    yield from (f"  ended {ending:<12} {count}" for ending, count in found["endings"].items())
    yield from (f"  by {endpoint:<24} {count}" for endpoint, count in found["endpoints"].items())
    if found["unreadable_lines"]:
        yield f"  {plural(found['unreadable_lines'], 'line')} not readable"


def _cleanup(directory: Path, name: str, logging: LoggingTable) -> Mapping[str, Any]:
    from octoroute.telemetry.traffic_log.reader import writers  # noqa: PLC0415
    from octoroute.telemetry.traffic_log.rotation import sweep  # noqa: PLC0415  commands import lazily

    rotation = logging.rotation
    removed: list[str] = []
    packed: list[dict[str, Any]] = []
    troubles: list[str] = []
    for writer in writers(directory, name):
        report = sweep(
            directory,
            writer,
            keep=rotation.max_backups,
            max_age_s=rotation.max_age_days * 86400,
            compress=rotation.compression,
            now=time.time(),
        )
        removed += map(str, report.removed)
        packed += [{"path": str(path), "times_smaller": round(ratio, 1)} for path, ratio in report.packed]
        troubles += map(str, report.troubles)
    return {"path": str(directory / name), "removed": removed, "packed": packed, "troubles": troubles}


def _cleanup_text(found: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"removed {path}" for path in found["removed"])
    yield from (f"packed  {file['path']} ({file['times_smaller']:.1f} times smaller)" for file in found["packed"])
    yield from (f"trouble {trouble}" for trouble in found["troubles"])
    yield f"{found['path']}: {len(found['removed'])} removed, {len(found['packed'])} packed"
