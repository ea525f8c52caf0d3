"""A directory of traffic logs: numbered lines, records, and what is in the files."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

from octoroute.telemetry.traffic_log.reader import lines, read, writers
from octoroute.telemetry.traffic_log.record import TrafficRecord
from octoroute.telemetry.traffic_log.redaction import Redaction
from octoroute.telemetry.traffic_log.rotation import LogFile
from octoroute.telemetry.traffic_log.writer import TrafficLog, TrafficLogSettings

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()
DAY = 86400.0


def numbered(count: int, start: int = 0, pad: int = 80) -> list[bytes]:
    return [json.dumps({"n": n, "pad": "x" * pad}).encode() + b"\n" for n in range(start, start + count)]


def log_file(directory: Path, limit: int | None = 1000, wall=lambda: NOW) -> LogFile:
    return LogFile(directory, "traffic", limit_bytes=limit, wall=wall)


def all_numbers(directory: Path) -> list[int]:
    return [json.loads(line)["n"] for writer in writers(directory, "traffic") for line in lines(directory, writer)]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))


def backups(directory: Path, ages_days: list[float]) -> list[str]:
    made = []
    for age in ages_days:
        stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(NOW - age * DAY))
        path = directory / f"traffic.{stamp}.ndjson"
        path.write_bytes(b"{}\n")
        made.append(path.name)
    return made


class Clock:
    def __init__(self, now: float = 50.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def traffic_log(directory, clock, dropped=lambda count: None, file=None, **settings):
    return TrafficLog(
        TrafficLogSettings(directory=directory, **settings),
        Redaction(),
        clock=clock,
        wall=lambda: NOW + clock(),
        dropped=dropped,
        file=file,
    )


def recording(n: int) -> TrafficRecord:
    made = TrafficRecord("POST", "/v1/chat/completions", [(b"content-type", b"application/json")], 1000, NOW)
    made.request_id = str(n)
    made.status = 200
    made.request_body.add(b'{"model":"auto","n":%d}' % n)
    return made


def ids(directory: Path) -> list[int]:
    return [int(record["request_id"]) for record in read_all(directory)]


def read_all(directory: Path) -> list[dict]:
    return [read(line) for writer in writers(directory, "traffic") for line in lines(directory, writer)]
