"""A log file of whole lines that is rotated when it is full; compression and removal of the rotated files.

`NAME.ndjson` is the live file; `NAME.YYYYMMDD_HHMMSS[-N].ndjson[.gz]` (UTC) are rotated ones, and no other file is ever touched.
Blocking; for one thread. Source of the names: the log rotation of the proxy whose users octoroute also serves (seed 003).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gzip
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

SUFFIX = ".ndjson"
MAX_WRITERS = 1024
"""Processes that may write to one directory under one name."""
MIN_STALE_S = 3600.0
"""A temporary file of this age belongs to a compression that was interrupted."""


class RotatedFile(msgspec.Struct, frozen=True, order=True):
    """Ordered by age, the oldest first."""

    at: float
    """When it was rotated: seconds since the epoch."""
    number: int
    """1, or N of several rotations in the same second."""
    path: Path
    compressed: bool

    @property
    def plain(self) -> Path:
        """Its path before compression."""
        return self.path.with_suffix("") if self.compressed else self.path


def rotated_files(directory: Path, name: str) -> list[RotatedFile]:
    """The oldest first. A file that exists compressed and uncompressed, after an interrupted compression, is listed compressed."""
    pattern = re.compile(rf"{re.escape(name)}\.(\d{{8}}_\d{{6}})(?:-(\d+))?{re.escape(SUFFIX)}(\.gz)?")
    found: dict[Path, RotatedFile] = {}
    with contextlib.suppress(FileNotFoundError):
        for path in directory.iterdir():
            match = pattern.fullmatch(path.name)
            if match is None:
                continue
            try:
                at = datetime.strptime(match[1], "%Y%m%d_%H%M%S").replace(tzinfo=UTC).timestamp()
            except ValueError:  # no date (20261399_000000): not a file of ours
                continue
            rotated = RotatedFile(at, int(match[2] or 1), path, bool(match[3]))
            if rotated.plain not in found or rotated.compressed:
                found[rotated.plain] = rotated
    return sorted(found.values())


class LogFile:
    """The live file of one process. Several processes (workers, a second gateway) get a file each: NAME, NAME-2, NAME-3 …"""

    def __init__(self, directory: Path, name: str, *, limit_bytes: int | None, wall: Callable[[], float]) -> None:
        """`limit_bytes` None: never rotated. `wall`: seconds since the epoch."""
        self._directory = directory
        self._base_name = name
        self._limit = limit_bytes
        self._rotate_at_bytes = limit_bytes
        self._wall = wall
        self._handle: int | None = None
        self._lock: int | None = None
        """File descriptor of the lock that claims `name` for this process."""
        self._size = 0
        self._ends_in_partial_line = False
        self.name = name
        self.rotated: list[Path] = []
        """Files to compress; the caller empties the list."""
        self.error: OSError | None = None
        """Why the last `write` did not write all lines; None: it did."""

    @property
    def path(self) -> Path:
        return self._directory / f"{self.name}{SUFFIX}"

    def write(self, lines: Sequence[bytes]) -> int:
        """Write lines, each with its line feed, and return how many of them are in a file now. Never raises OSError."""
        self.error = None
        written = 0
        try:
            self._ensure_open()
            for batch in self._batches(lines):
                appended = self._append(batch)
                written += appended
                if appended < len(batch):
                    break
        except OSError as error:
            self.error = error
        return written

    def close(self) -> None:
        for handle in (self._handle, self._lock):
            if handle is not None:
                os.close(handle)
        self._handle = self._lock = None

    def _batches(self, lines: Sequence[bytes]) -> Iterator[list[bytes]]:
        """As many lines as fit into the live file; before the next batch it is rotated, so each must be written first."""
        batch: list[bytes] = []
        size = self._size
        for line in lines:
            if self._rotate_at_bytes is not None and size and size + len(line) > self._rotate_at_bytes:
                if batch:
                    yield batch
                batch = []
                self._rotate()
                size = self._size
            batch.append(line)
            size += len(line)
        if batch:
            yield batch

    def _append(self, lines: Sequence[bytes]) -> int:
        assert self._handle is not None
        data = b"".join(lines)
        if self._ends_in_partial_line:
            data = b"\n" + data
        done = 0
        try:
            while done < len(data):
                done += os.write(self._handle, memoryview(data)[done:])
        except OSError as error:
            self.error = error
            return self._undo_partial_line(lines, done - self._ends_in_partial_line)
        self._ends_in_partial_line = False
        self._size += len(data)
        return len(lines)

    def _undo_partial_line(self, lines: Sequence[bytes], done: int) -> int:
        """The disk took `done` bytes of `lines`: truncate the file after the last whole line, and return how many there are."""
        assert self._handle is not None
        whole = whole_bytes = 0
        for line in lines:
            if whole_bytes + len(line) > done:
                break
            whole_bytes += len(line)
            whole += 1
        if done < 0:
            return 0
        start = self._size + self._ends_in_partial_line
        if whole_bytes < done:
            try:
                os.ftruncate(self._handle, start + whole_bytes)
            except OSError:
                self._ends_in_partial_line = True  # the next write begins with a line feed
                self._size = start + done
                return whole
        self._ends_in_partial_line = False
        self._size = start + whole_bytes
        return whole

    def _ensure_open(self) -> None:
        """Open the file again if it has been moved or removed."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(self.path), os.fstat(self._handle)):  # noqa: PTH116 - one call, no objects
                    return
            os.close(self._handle)
            self._handle = None
        self._open()

    def _open(self) -> None:
        if self._lock is None:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._lock = self._claim()
        self._handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._handle).st_size
        self._ends_in_partial_line = self._size > 0 and os.pread(self._handle, 1, self._size - 1) != b"\n"

    def _claim(self) -> int:
        """Lock the first free name, and return the lock's file descriptor. Raises OSError."""
        for number in range(1, MAX_WRITERS):
            self.name = self._base_name if number == 1 else f"{self._base_name}-{number}"
            handle = os.open(self._directory / f".{self.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(handle)
                if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                    raise
            else:
                return handle
        raise OSError(errno.EBUSY, "too many writers in one directory")

    def _rotate(self) -> None:
        """A file that cannot be renamed stays live until it has grown by another limit."""
        stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(self._wall()))
        number = 1
        while True:
            target = self._directory / f"{self.name}.{stamp}{f'-{number}' if number > 1 else ''}{SUFFIX}"
            if not (target.exists() or target.with_name(f"{target.name}.gz").exists()):
                break
            number += 1
        try:
            self.path.rename(target)
        except OSError as error:
            self.error = error
            self._rotate_at_bytes = self._size + (self._limit or 0)
            return
        self._rotate_at_bytes = self._limit
        self.rotated.append(target)
        assert self._handle is not None
        os.close(self._handle)
        self._handle = None
        self._open()


def pack(path: Path) -> float:
    """Compress a file, and return its size before over its size after. Raises OSError, and then `path` still exists.

    The compressed file is written under a temporary name and renamed before the original is removed, so that at every moment one
    complete file exists.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    compressed = path.with_name(f"{path.name}.gz")
    before = path.stat()
    try:
        with path.open("rb") as source, temporary.open("wb") as sink:
            temporary.chmod(0o600)
            with gzip.GzipFile(filename="", fileobj=sink, mode="wb", compresslevel=6, mtime=int(before.st_mtime)) as zipped:
                shutil.copyfileobj(source, zipped, 1 << 20)
            sink.flush()
            os.fsync(sink.fileno())
        after = temporary.stat()
        temporary.replace(compressed)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)
    return before.st_size / max(1, after.st_size)


class CleanupReport(msgspec.Struct, frozen=True, kw_only=True):
    removed: tuple[Path, ...] = ()
    packed: tuple[tuple[Path, float], ...] = ()
    """Each with its size before over its size after."""
    troubles: tuple[str, ...] = ()
    """`PATH: REASON` for each file that could not be removed or compressed."""


def sweep(directory: Path, name: str, *, keep: int, max_age_s: float, compress: bool, now: float) -> CleanupReport:
    """Remove rotated files that are older than `max_age_s` or more than `keep` (0: no limit), and compress the others.

    `now`: seconds since the epoch.
    """
    removed: list[Path] = []
    packed: list[tuple[Path, float]] = []
    troubles: list[str] = []

    def remove(path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
            removed.append(path)
        except OSError as error:
            troubles.append(f"{path}: {error.strerror}")

    files = rotated_files(directory, name)
    for file in files:
        if file.compressed and file.plain.exists():
            remove(file.plain)
    surplus = len(files) - keep if keep else 0
    for index, file in enumerate(files):
        if index < surplus or (max_age_s and now - file.at > max_age_s):
            remove(file.path)
        elif compress and not file.compressed:
            try:
                packed.append((file.path, pack(file.path)))
            except OSError as error:
                troubles.append(f"{file.path}: {error.strerror}")
    for path in _stale_temporaries(directory, name, now):
        remove(path)
    return CleanupReport(removed=tuple(removed), packed=tuple(packed), troubles=tuple(troubles))


def _stale_temporaries(directory: Path, name: str, now: float) -> list[Path]:
    """The temporary files of interrupted compressions."""
    pattern = re.compile(rf"{re.escape(name)}\.\d{{8}}_\d{{6}}(-\d+)?{re.escape(SUFFIX)}\.\d+\.tmp")
    try:
        return [p for p in directory.iterdir() if pattern.fullmatch(p.name) and now - p.stat().st_mtime > MIN_STALE_S]
    except OSError:  # no directory, or another process has removed a file: the next sweep tries again
        return []
