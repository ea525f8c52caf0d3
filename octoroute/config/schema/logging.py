"""Tables of the logs, on standard output and in the traffic log's files, and of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from octoroute.config import rules
from octoroute.domain import text_check
from octoroute.domain.option import Key, Table


class ObservabilityTable(Table, frozen=True, kw_only=True):
    """The log on standard output."""

    log_level: Annotated[
        Literal["trace", "debug", "info", "warn", "error"],
        Key("lowest level that is logged; prompts never appear above debug", fold=True),
    ] = "info"
    log_format: Annotated[Literal["auto", "console", "json"], Key("auto is console on a terminal, otherwise json")] = "auto"


class OtelTable(Table, frozen=True, kw_only=True):
    """OpenTelemetry: traces and metrics by OTLP/HTTP. It needs `octoroute[otel]`; see `docs/telemetry.md`."""

    endpoint: Annotated[
        str,
        Key(
            "base URL of the collector, without /v1/traces; blank: off", check=rules.optional_url, example='"http://127.0.0.1:4318"'
        ),
    ] = ""
    headers: Annotated[
        Mapping[str, str],
        Key(
            "headers of each export, such as a vendor's key",
            check=rules.header_value,
            check_name=text_check.header_name,
            secret=True,
            example='{ X-Team = "search" }',
        ),
    ] = msgspec.field(default_factory=dict[str, str])
    service_name: Annotated[str, Key("the resource's service.name", check=text_check.label)] = "octoroute"
    semconv: Annotated[
        Literal["1.41", "latest"], Key("names of the gen_ai conventions: those of v1.41, or of the latest draft")
    ] = "1.41"
    traces: Annotated[bool, Key("false exports no spans; trace contexts are passed on all the same")] = True
    metrics: Annotated[bool, Key("false exports no metrics")] = True
    sample_ratio: Annotated[
        float, Key("share of the traces that begin at the gateway; a client's own decision counts for its requests", low=0, high=1)
    ] = 1.0
    metrics_interval_seconds: Annotated[float, Key("time between two exports of the metrics", low=1, high=3600)] = 60.0


class TrafficLogTable(Table, frozen=True, kw_only=True):
    """Traffic log: every request with its response, one line of JSON each, in its own files. Keys are left out, prompts are not."""

    enabled: Annotated[bool, Key("true turns the traffic log on")] = False
    directory: Annotated[str, Key("directory of the files, created if it does not exist", check=text_check.label)] = "logs"
    name: Annotated[str, Key("file name without its suffix, .ndjson", check=rules.file_stem)] = "traffic"
    max_body_bytes: Annotated[
        int, Key("largest part of a request or response body that is logged; 0 leaves bodies out", low=0, high=1 << 30)
    ] = 1048576
    queue_bytes: Annotated[
        int,
        Key("data that may wait for a slow disk; more is dropped and counted, and no response is delayed", low=65536, high=1 << 32),
    ] = 67108864
    redact: Annotated[
        tuple[str, ...],
        Key("regular expressions; text that matches is replaced with ***", check=rules.pattern, example="['[0-9]{16}']"),
    ] = ()


class RotationTable(Table, frozen=True, kw_only=True):
    """Rotation of log files to NAME.YYYYMMDD_HHMMSS.ndjson, and how long those are kept."""

    enabled: Annotated[bool, Key("false lets the file grow without limit")] = True
    max_size_mb: Annotated[
        float, Key("a line that would make the file larger than this goes to a new one", above=0, high=1048576)
    ] = 50.0
    compression: Annotated[bool, Key("true compresses rotated files with gzip")] = True
    compress_immediately: Annotated[bool, Key("true compresses at rotation, false at the next cleanup")] = True
    max_backups: Annotated[int, Key("largest number of rotated files; 0 keeps all", low=0, high=1000000)] = 10
    max_age_days: Annotated[float, Key("rotated files older than this are deleted; 0 keeps all", low=0, high=36500)] = 30.0
    cleanup_interval_hours: Annotated[float, Key("time between two cleanups", above=0, high=8760)] = 24.0


class LoggingTable(Table, frozen=True, kw_only=True):
    """Logs in files. The log on standard output is configured in [observability]."""

    traffic: Annotated[TrafficLogTable, Key("log of requests and responses")] = TrafficLogTable()
    rotation: Annotated[RotationTable, Key("rotation of the files")] = RotationTable()
