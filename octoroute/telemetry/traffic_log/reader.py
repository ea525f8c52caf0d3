"""Reads the traffic log back, packed or not, while it is being written. Every line once, in the order of the files."""

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
    """None: any."""

    request_id: str | None = None
    endpoint: str | None = None
    ending: str | None = None

    def takes(self, told: dict[str, Any]) -> bool:
        wanted = (("request_id", self.request_id), ("endpoint", self.endpoint), ("ending", self.ending))
        return all(value is None or told.get(key) == value for key, value in wanted)


def writers(directory: Path, name: str) -> list[str]:
    """NAME, NAME-2 …: one for each process that writes there, as far as there are files of it."""
    pattern = re.compile(rf"({re.escape(name)}(?:-\d+)?)(?:\.\d{{8}}_\d{{6}}(?:-\d+)?)?{re.escape(SUFFIX)}(?:\.gz)?")
    try:
        found = {match[1] for path in directory.iterdir() if (match := pattern.fullmatch(path.name))}
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda each: (len(each), each))


def lines(directory: Path, name: str) -> Iterator[bytes]:
    """Of one writer, oldest first, each with its line feed. A line that is still being written is left out."""
    try:
        live = (directory / f"{name}{SUFFIX}").open("rb")
    except FileNotFoundError:
        live = None
    asides = rotated_files(directory, name)  # after opening: what was put aside in between is among them
    is_aside = live is not None and _is_among(asides, live)
    for aside in asides:
        yield from _aside(aside)
    if live is None:
        return
    with live:
        if not is_aside:
            yield from (line for line in live if line.endswith(b"\n"))


def _is_among(asides: Sequence[RotatedFile], live: BinaryIO) -> bool:
    state = os.fstat(live.fileno())
    # In this order: a file that is packed between the two looks has lost its name by the second.
    return any(_is(aside.path, state) for aside in asides) or not os.fstat(live.fileno()).st_nlink


def _is(path: Path, state: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), state)
    except FileNotFoundError:
        return False


def _aside(aside: RotatedFile) -> Iterator[bytes]:
    for path in [_packed(aside)] if aside.packed else [aside.path, _packed(aside)]:
        try:
            file = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115 - closed below
        except FileNotFoundError:  # it has just been packed, or removed
            continue
        with file:
            yield from (line for line in file if line.endswith(b"\n"))
        return


def _packed(aside: RotatedFile) -> Path:
    return aside.plain.with_name(f"{aside.plain.name}.gz")


def read(line: bytes) -> dict[str, Any] | None:
    """None: a crash left half a line here."""
    try:
        told: object = msgspec.json.decode(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", told) if isinstance(told, dict) else None
