"""Entries on disk while the database is away: one file for each process, which a later process takes over after a crash.

A file is a sequence of frames: four bytes of length, little-endian, and a list of entries as MessagePack. A frame that a crash cut
off is ignored. The owner holds a lock on its file.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import structlog

from octoroute.store.base import HistoryEntry
from octoroute.store.vault import NO_VAULT, UnopenedValue, Vault

log = structlog.stdlib.get_logger("octoroute.store")

COLUMN = "spool"
MAX_SPOOL_BYTES = 256 * 1024 * 1024
_PREFIX = "spool-"
_LENGTH_BYTES = 4
_ENTRIES = msgspec.msgpack.Decoder(list[HistoryEntry])


class Spool:
    def __init__(self, directory: Path, *, max_bytes: int = MAX_SPOOL_BYTES, vault: Vault = NO_VAULT) -> None:
        self._directory = directory
        self._vault = vault
        self._unopened: set[Path] = set()
        """Files that are sealed with a key that this process does not have. They are left alone."""
        self._max_bytes = max_bytes
        self._file: int | None = None
        self._path: Path | None = None
        self._size = 0

    def append(self, entries: Sequence[HistoryEntry]) -> bool:
        """Whether they are on disk; False: there is no room for them, or the disk cannot be written."""
        try:
            data = msgspec.msgpack.encode(_without_repeated_settings(entries))
        except OverflowError:  # a number that the database has no room for either
            return False
        try:
            file, path = self._open()
            data = self._vault.seal(COLUMN, path.name, data)
            frame = len(data).to_bytes(_LENGTH_BYTES, "little") + data
            if self._size + len(frame) > self._max_bytes:
                return False
            if os.write(file, frame) < len(frame):
                os.ftruncate(file, self._size)
                return False
        except OSError:
            return False
        self._size += len(frame)
        return True

    def _open(self) -> tuple[int, Path]:
        if self._file is None or self._path is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path = self._directory / f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        return self._file, self._path

    def batches(self) -> Iterator[list[HistoryEntry]]:
        """Everything of this process and of processes that are gone. A file is removed when its last batch has been taken."""
        paths = sorted(self._directory.glob(f"{_PREFIX}*")) if self._directory.is_dir() else []
        for path in paths:
            if path not in self._unopened and (path == self._path or _is_orphan(path)):
                try:
                    yield from _frames(path, self._vault)
                except UnopenedValue as error:
                    self._unopened.add(path)
                    log.error("history on disk cannot be read, and stays there", file=str(path), problem=str(error))  # noqa: TRY400
                    continue
                if path == self._path:
                    self._close()
                path.unlink(missing_ok=True)

    def is_empty(self) -> bool:
        return self._size == 0

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file, self._path, self._size = None, None, 0


def _is_orphan(path: Path) -> bool:
    """No process holds the file's lock."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(file)


def _without_repeated_settings(entries: Iterable[HistoryEntry]) -> list[HistoryEntry]:
    """Settings that are those of the entry before are left out."""
    kept: list[HistoryEntry] = []
    last: bytes | None = None
    for entry in entries:
        repeated = entry.settings is not None and entry.settings == last
        kept.append(msgspec.structs.replace(entry, settings=None) if repeated else entry)
        last = entry.settings or last
    return kept


def _with_repeated_settings(entries: Iterable[HistoryEntry]) -> list[HistoryEntry]:
    whole: list[HistoryEntry] = []
    last: bytes | None = None
    for entry in entries:
        last = entry.settings or last
        whole.append(entry if entry.record is None else msgspec.structs.replace(entry, settings=last))
    return whole


def _frames(path: Path, vault: Vault) -> Iterator[list[HistoryEntry]]:
    with path.open("rb") as file:
        while len(head := file.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
            data = file.read(int.from_bytes(head, "little"))
            try:
                yield _with_repeated_settings(_ENTRIES.decode(vault.open(COLUMN, path.name, data)))
            except (msgspec.DecodeError, UnicodeDecodeError):
                return
