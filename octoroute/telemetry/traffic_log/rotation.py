"""A log file that holds whole lines only, is put aside when it is full, and what becomes of the files put aside.

`NAME.ndjson` is written; `NAME.YYYYMMDD_HHMMSS[-N].ndjson[.gz]` (UTC) are those put aside, and no other name is ever touched.
Blocking; for one thread. Source of the names: seed 003's log rotation.
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
_LEFT_OVER_S = 3600.0


class RotatedFile(msgspec.Struct, frozen=True, order=True):
    """A file put aside; ordered by age, the oldest first."""

    at: float
    """Seconds since the epoch."""
    number: int
    path: Path
    packed: bool

    @property
    def plain(self) -> Path:
        return self.path.with_suffix("") if self.packed else self.path


def rotated_files(directory: Path, name: str) -> list[RotatedFile]:
    """The oldest first. One that is there twice, packed and not, was being packed when the power went: it counts as packed."""
    pattern = re.compile(rf"{re.escape(name)}\.(\d{{8}}_\d{{6}})(?:-(\d+))?{re.escape(SUFFIX)}(\.gz)?")
    found: dict[Path, RotatedFile] = {}
    with contextlib.suppress(FileNotFoundError):
        for path in directory.iterdir():
            match = pattern.fullmatch(path.name)
            if match is None:
                continue
            try:
                at = datetime.strptime(match[1], "%Y%m%d_%H%M%S").replace(tzinfo=UTC).timestamp()
            except ValueError:  # the 99th of the 99th: not ours
                continue
            aside = RotatedFile(at, int(match[2] or 1), path, bool(match[3]))
            if aside.plain not in found or aside.packed:
                found[aside.plain] = aside
    return sorted(found.values())


class LogFile:
    """Several writers in one directory (workers, a second gateway) get a file each: NAME, NAME-2, NAME-3 …"""

    def __init__(self, directory: Path, name: str, *, limit_bytes: int | None, wall: Callable[[], float]) -> None:
        """`limit_bytes` None: never put aside."""
        self._directory = directory
        self._wanted = name
        self._limit = limit_bytes
        self._full_at = limit_bytes
        self._wall = wall
        self._handle: int | None = None
        self._lock: int | None = None
        self._size = 0
        self._torn = False
        self.name = name
        self.full: list[Path] = []
        """Put aside since somebody looked; to be packed."""
        self.trouble: OSError | None = None
        """Why the last write did not write all."""

    @property
    def path(self) -> Path:
        return self._directory / f"{self.name}{SUFFIX}"

    def write(self, lines: Sequence[bytes]) -> int:
        """How many of the lines, each with its line feed, are in a file now: whole, once, in order. Never raises OSError."""
        self.trouble = None
        written = 0
        try:
            self._stay()
            for batch in self._batches(lines):
                kept = self._append(batch)
                written += kept
                if kept < len(batch):
                    break
        except OSError as error:
            self.trouble = error
        return written

    def close(self) -> None:
        for handle in (self._handle, self._lock):
            if handle is not None:
                os.close(handle)
        self._handle = self._lock = None

    def _batches(self, lines: Sequence[bytes]) -> Iterator[list[bytes]]:
        """As many lines as fit; between two batches the file is put aside. It must be written before the next is asked for."""
        batch: list[bytes] = []
        size = self._size
        for line in lines:
            if self._full_at is not None and size and size + len(line) > self._full_at:
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
        if self._torn:
            data = b"\n" + data
        done = 0
        try:
            while done < len(data):
                done += os.write(self._handle, memoryview(data)[done:])
        except OSError as error:
            self.trouble = error
            return self._take_back(lines, done - self._torn)
        self._torn = False
        self._size += len(data)
        return len(lines)

    def _take_back(self, lines: Sequence[bytes], done: int) -> int:
        """The disk took `done` bytes: the part of a line at their end is removed again."""
        assert self._handle is not None
        whole = kept = 0
        for line in lines:
            if kept + len(line) > done:
                break
            kept += len(line)
            whole += 1
        if done < 0:
            return 0
        start = self._size + self._torn
        if kept < done:
            try:
                os.ftruncate(self._handle, start + kept)
            except OSError:
                self._torn = True  # then the next line begins with a line feed
                self._size = start + done
                return whole
        self._torn = False
        self._size = start + kept
        return whole

    def _stay(self) -> None:
        """Open, and still the file of that name: somebody may have moved it."""
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
        self._torn = self._size > 0 and os.pread(self._handle, 1, self._size - 1) != b"\n"

    def _claim(self) -> int:
        for number in range(1, MAX_WRITERS):
            self.name = self._wanted if number == 1 else f"{self._wanted}-{number}"
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
        """A file that cannot be renamed is written on, until it has grown by as much again."""
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
            self.trouble = error
            self._full_at = self._size + (self._limit or 0)
            return
        self._full_at = self._limit
        self.full.append(target)
        assert self._handle is not None
        os.close(self._handle)
        self._handle = None
        self._open()


def pack(path: Path) -> float:
    """Pack it; how many times smaller it is now. Raises OSError, and then `path` is still there.

    Written under another name, renamed, and only then the original is removed: at every moment one whole file is there.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    packed = path.with_name(f"{path.name}.gz")
    before = path.stat()
    try:
        with path.open("rb") as source, temporary.open("wb") as sink:
            temporary.chmod(0o600)
            with gzip.GzipFile(filename="", fileobj=sink, mode="wb", compresslevel=6, mtime=int(before.st_mtime)) as zipped:
                shutil.copyfileobj(source, zipped, 1 << 20)
            sink.flush()
            os.fsync(sink.fileno())
        after = temporary.stat()
        temporary.replace(packed)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)
    return before.st_size / max(1, after.st_size)


class CleanupReport(msgspec.Struct, frozen=True, kw_only=True):
    removed: tuple[Path, ...] = ()
    packed: tuple[tuple[Path, float], ...] = ()
    """With how many times smaller each is."""
    troubles: tuple[str, ...] = ()


def sweep(directory: Path, name: str, *, keep: int, max_age_s: float, compress: bool, now: float) -> CleanupReport:
    """Remove what is too old or too many (0: no limit), and pack the rest."""
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
    for aside in files:
        if aside.packed and aside.plain.exists():
            remove(aside.plain)
    surplus = len(files) - keep if keep else 0
    for at, aside in enumerate(files):
        if at < surplus or (max_age_s and now - aside.at > max_age_s):
            remove(aside.path)
        elif compress and not aside.packed:
            try:
                packed.append((aside.path, pack(aside.path)))
            except OSError as error:
                troubles.append(f"{aside.path}: {error.strerror}")
    for path in _left_over(directory, name, now):
        remove(path)
    return CleanupReport(removed=tuple(removed), packed=tuple(packed), troubles=tuple(troubles))


def _left_over(directory: Path, name: str, now: float) -> list[Path]:
    """What somebody began to pack an hour ago."""
    pattern = re.compile(rf"{re.escape(name)}\.\d{{8}}_\d{{6}}(-\d+)?{re.escape(SUFFIX)}\.\d+\.tmp")
    try:
        return [p for p in directory.iterdir() if pattern.fullmatch(p.name) and now - p.stat().st_mtime > _LEFT_OVER_S]
    except OSError:  # the directory is not there, or somebody else was faster: the next time
        return []
