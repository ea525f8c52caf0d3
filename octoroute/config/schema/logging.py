"""Tables of the two logs: standard output, and the traffic log's files."""

from __future__ import annotations

from typing import Annotated, Literal

from octoroute.config import rules
from octoroute.domain import text_check
from octoroute.domain.option import Key, Table


class ObservabilityTable(Table, frozen=True, kw_only=True):
    """What is logged, and how."""

    log_level: Annotated[Literal["trace", "debug", "info", "warn", "error"], Key("prompts never appear above debug", fold=True)] = (
        "info"
    )
    log_format: Annotated[Literal["auto", "console", "json"], Key("auto is console on a terminal, else json")] = "auto"


class TrafficLogTable(Table, frozen=True, kw_only=True):
    """Every request with its answer, a line of JSON each, in files of their own; keys are left out, prompts are not."""

    enabled: Annotated[bool, Key("true writes them")] = False
    directory: Annotated[str, Key("made if it is not there", check=text_check.label)] = "logs"
    name: Annotated[str, Key("the file is called NAME.ndjson", check=rules.file_stem)] = "traffic"
    max_body_bytes: Annotated[
        int, Key("of each request and each answer; what is longer is cut, 0 leaves bodies out", low=0, high=1 << 30)
    ] = 1048576
    queue_bytes: Annotated[
        int, Key("what may wait for a slow disk; more is dropped and counted, and no answer waits", low=65536, high=1 << 32)
    ] = 67108864
    redact: Annotated[
        tuple[str, ...],
        Key("regular expressions; what they match is written as ***", check=rules.pattern, example="['[0-9]{16}']"),
    ] = ()


class RotationTable(Table, frozen=True, kw_only=True):
    """When a log file is put aside as NAME.YYYYMMDD_HHMMSS.ndjson, and how long it is kept."""

    enabled: Annotated[bool, Key("false lets the file grow")] = True
    max_size_mb: Annotated[float, Key("a line that would make it larger goes to a new file", above=0, high=1048576)] = 50.0
    compression: Annotated[bool, Key("gzip what was put aside")] = True
    compress_immediately: Annotated[bool, Key("false: at the next cleanup")] = True
    max_backups: Annotated[int, Key("files put aside that are kept; 0 keeps all", low=0, high=1000000)] = 10
    max_age_days: Annotated[float, Key("older ones are removed; 0 keeps all", low=0, high=36500)] = 30.0
    cleanup_interval_hours: Annotated[float, Key("between two cleanups", above=0, high=8760)] = 24.0


class LoggingTable(Table, frozen=True, kw_only=True):
    """Logs in files. The log on standard output is [observability]'s."""

    traffic: Annotated[TrafficLogTable, Key("requests and answers")] = TrafficLogTable()
    rotation: Annotated[RotationTable, Key("of the files")] = RotationTable()
