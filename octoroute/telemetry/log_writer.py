"""Writes log lines to a file in batches. A line that the file does not take is dropped and counted; nothing else fails with it."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
from collections import deque
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

import msgspec
import structlog

MAX_LINE_DELAY_S = 0.1
MAX_PENDING_LINES = 128
"""A buffered line is written after this time or with this many others, whichever comes first."""
ATOMIC_WRITE_BYTES = 4096
"""A pipe takes a write of at most this size as a whole, so that the lines of several processes do not mix. Source: POSIX, PIPE_BUF;
its value on Linux.
"""
_ENCODER = msgspec.json.Encoder(enc_hook=repr)


class BufferedLineWriter:
    """Lines for one file, from any thread; `dropped` counts the lines that the file did not take.

    `put` is for the lines of requests: they wait for each other if the writer is `buffered`. `write` and `flush` are structlog's
    calls: such a line is written at once, after the lines that wait.
    """

    def __init__(self, file: BinaryIO, *, buffered: bool = False, shared: bool = False) -> None:
        """`shared`: other processes write to the same file, so that no write may exceed `ATOMIC_WRITE_BYTES`."""
        self._file = file
        self._max_pending = MAX_PENDING_LINES if buffered else 0
        self._max_write_bytes = ATOMIC_WRITE_BYTES if shared else math.inf
        self._pending: deque[bytes] = deque()
        self._is_scheduled = False
        self._lock = threading.Lock()
        self.dropped = 0

    def put(self, line: bytes) -> None:
        self._pending.append(line)
        if len(self._pending) >= self._max_pending:
            self.flush()
        elif not self._is_scheduled:
            self._schedule_flush()

    def write(self, line: bytes) -> int:
        self._pending.append(line)
        return len(line)

    def flush(self) -> None:
        with self._lock:
            while self._pending:
                lines = self._next_batch()
                try:
                    _write_all(self._file, b"".join(lines))
                    self._file.flush()
                except (OSError, ValueError):
                    self.dropped += len(lines)

    def _next_batch(self) -> list[bytes]:
        """As many pending lines as one write may hold, at least one."""
        take = self._pending.popleft
        lines = [take()]
        room = self._max_write_bytes - len(lines[0])
        while self._pending and (room := room - len(self._pending[0])) >= 0:
            lines.append(take())
        return lines

    def _schedule_flush(self) -> None:
        try:
            asyncio.get_running_loop().call_later(MAX_LINE_DELAY_S, self._flush_scheduled)
        except RuntimeError:  # no event loop is running
            self.flush()
        else:
            self._is_scheduled = True

    def _flush_scheduled(self) -> None:
        self._is_scheduled = False
        self.flush()


def _write_all(file: BinaryIO, data: bytes) -> None:
    """An unbuffered file (`PYTHONUNBUFFERED`) may take a part of the data, or nothing. Raises OSError."""
    left = memoryview(data)
    while left:
        written = file.write(left)
        if not written:
            raise BlockingIOError
        left = left[written:]


class FastJsonLogger(structlog.BytesLoggerFactory):
    """Writes the same lines as structlog's processors, without them: for the lines that every request writes.

    Only for a process whose logging is configured once: a later `structlog.configure` does not change it.
    """

    def __init__(self, lines: BufferedLineWriter, level: int) -> None:
        super().__init__(lines)  # type: ignore[arg-type]
        self.levels = {name.lower() for name, value in logging.getLevelNamesMapping().items() if value >= level}
        """Names of the levels that are written; the caller checks them."""
        self._lines = lines

    def write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        self.write_prepared(level, {**fields, "timestamp": datetime.now(UTC)}, self.prepare(level, event, {}))

    def prepare(self, level: str, event: str, fields: dict[str, Any]) -> bytes:
        """The end of a line: what many lines have in common, encoded once."""
        return encode_json({**fields, "event": event, "level": level})[1:] + b"\n"

    def write_prepared(self, level: str, fields: dict[str, Any] | msgspec.Struct, prepared: bytes) -> None:
        """Write a line of `fields`, the timestamp among them, and of what `prepare` returned for this level.

        A line above info is written at once.
        """
        self._lines.put(encode_json(fields)[:-1] + b"," + prepared)
        if level != "info":
            self._lines.flush()

    def flush(self) -> None:
        self._lines.flush()


def encode_json(event: MutableMapping[str, Any] | msgspec.Struct) -> bytes:
    """JSON of anything; what has no JSON form is written as its `repr`."""
    try:
        return _ENCODER.encode(event)
    except UnicodeEncodeError:  # a lone surrogate, as in a file name that is not UTF-8
        return json.dumps(msgspec.to_builtins(event, enc_hook=repr)).encode()
