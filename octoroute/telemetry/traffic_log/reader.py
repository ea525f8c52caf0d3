"""Reads the traffic log, compressed files included, while it is being written: every line once, in the order of the files."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from octoroute.telemetry.traffic_log.rotation import SUFFIX, RotatedFile, rotated_files


class RecordFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which records to show; a field that is None accepts any value."""

    request_id: str | None = None
    endpoint: str | None = None
    ending: str | None = None

    def takes(self, record: dict[str, Any]) -> bool:
        wanted = (("request_id", self.request_id), ("endpoint", self.endpoint), ("ending", self.ending))
        return all(value is None or record.get(key) == value for key, value in wanted)


def writers(directory: Path, name: str) -> list[str]:
    """NAME, NAME-2 …: the names of the processes that have written files to `directory`."""
    pattern = re.compile(rf"({re.escape(name)}(?:-\d+)?)(?:\.\d{{8}}_\d{{6}}(?:-\d+)?)?{re.escape(SUFFIX)}(?:\.gz)?")
    try:
        found = {match[1] for path in directory.iterdir() if (match := pattern.fullmatch(path.name))}
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda each: (len(each), each))


def lines(directory: Path, name: str) -> Iterator[bytes]:
    """The lines of one writer, oldest first, each with its line feed; without a line that is still being written."""
    try:
        live = (directory / f"{name}{SUFFIX}").open("rb")
    except FileNotFoundError:
        live = None
    rotated = rotated_files(directory, name)  # after opening: if the live file has been rotated since, it is among them
    is_rotated = live is not None and _is_among(rotated, live)
    for file in rotated:
        yield from _rotated_lines(file)
    if live is None:
        return
    with live:
        if not is_rotated:
            yield from (line for line in live if line.endswith(b"\n"))


def _is_among(rotated: Sequence[RotatedFile], live: BinaryIO) -> bool:
    state = os.fstat(live.fileno())
    # In this order: a file that is compressed after the first check has no name any more at the second.
    return any(_is_same_file(file.path, state) for file in rotated) or not os.fstat(live.fileno()).st_nlink


def _is_same_file(path: Path, state: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), state)
    except FileNotFoundError:
        return False


def _rotated_lines(rotated: RotatedFile) -> Iterator[bytes]:
    for path in [_compressed_path(rotated)] if rotated.compressed else [rotated.path, _compressed_path(rotated)]:
        try:
            file = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115 - closed below
        except FileNotFoundError:  # it has just been compressed, or removed
            continue
        with file:
            yield from (line for line in file if line.endswith(b"\n"))
        return


def _compressed_path(rotated: RotatedFile) -> Path:
    return rotated.plain.with_name(f"{rotated.plain.name}.gz")


def read(line: bytes) -> dict[str, Any] | None:
    """The record in a line; None: the line is no record, as after a crash in the middle of a write."""
    try:
        record: object = msgspec.json.decode(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", record) if isinstance(record, dict) else None
