"""Log lines: one a request, coloured on a terminal, JSON otherwise. No prompt and no key is ever put into one above debug.

Configured once per process; everything else asks structlog for a logger. A log that cannot be written is dropped and counted:
a full disk costs lines, never answers.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import math
import sys
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, TextIO

import msgspec
import structlog
from structlog.dev import Column, KeyValueColumnFormatter, LogLevelColumnFormatter

LEVELS = {"trace": logging.NOTSET, "debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
PALETTE = ("\x1b[92m", "\x1b[94m", "\x1b[95m", "\x1b[96m", "\x1b[93m", "\x1b[91m")
"""Green, blue, magenta, cyan, yellow, red: the first six providers differ, the rest are stable."""
RESET = "\x1b[0m"
MOMENT_S = 0.1
"""How long a request's line may wait for others,"""
MAX_PENDING_LINES = 128
"""and for how many."""
WHOLE_BYTES = 4096
"""A pipe takes so much at once or not at all, so that lines of several processes do not mix. Source: POSIX, PIPE_BUF on Linux."""
_ENCODER = msgspec.json.Encoder(enc_hook=repr)
_BOLD, _DIM = "\x1b[1m", "\x1b[2m"
_LEVEL_COLOURS = {
    "critical": "\x1b[91m",
    "error": "\x1b[91m",
    "warning": "\x1b[93m",
    "info": "\x1b[92m",
    "debug": _DIM,
}


class BufferedLineWriter:
    """A file that lines are written to, whatever its state; `dropped` counts those it did not take.

    What is `put` there waits a moment for others if it is `patient`, so that many are written at once. What is written and
    flushed, as structlog does it, goes at once, after what waits. `shared`: other processes write there, too. Any thread may do
    any of it.
    """

    def __init__(self, file: BinaryIO, *, patient: bool = False, shared: bool = False) -> None:
        self._file = file
        self._most = MAX_PENDING_LINES if patient else 0
        self._most_bytes = WHOLE_BYTES if shared else math.inf
        self._waiting: deque[bytes] = deque()
        self._is_due = False
        self._lock = threading.Lock()
        self.dropped = 0

    def put(self, line: bytes) -> None:
        self._waiting.append(line)
        if len(self._waiting) >= self._most:
            self.flush()
        elif not self._is_due:
            self._flush_soon()

    def write(self, line: bytes) -> int:
        self._waiting.append(line)
        return len(line)

    def flush(self) -> None:
        with self._lock:
            while self._waiting:
                lines = self._next()
                try:
                    _write_all(self._file, b"".join(lines))
                    self._file.flush()
                except (OSError, ValueError):
                    self.dropped += len(lines)

    def _next(self) -> list[bytes]:
        """As many as may be written together."""
        take = self._waiting.popleft
        lines = [take()]
        room = self._most_bytes - len(lines[0])
        while self._waiting and (room := room - len(self._waiting[0])) >= 0:
            lines.append(take())
        return lines

    def _flush_soon(self) -> None:
        try:
            asyncio.get_running_loop().call_later(MOMENT_S, self._flush_now)
        except RuntimeError:  # there is no loop
            self.flush()
        else:
            self._is_due = True

    def _flush_now(self) -> None:
        self._is_due = False
        self.flush()


def _write_all(file: BinaryIO, data: bytes) -> None:
    """A file without a buffer (`PYTHONUNBUFFERED`) may take a part of it, or nothing."""
    left = memoryview(data)
    while left:
        taken = file.write(left)
        if not taken:
            raise BlockingIOError
        left = left[taken:]


class FastJsonLogger(structlog.BytesLoggerFactory):
    """The same lines without structlog, for those that every request writes. Only where nothing will be configured again."""

    def __init__(self, lines: BufferedLineWriter, level: int) -> None:
        super().__init__(lines)  # type: ignore[arg-type]
        self.levels = {name.lower() for name, value in logging.getLevelNamesMapping().items() if value >= level}
        """Which are to be written."""
        self._lines = lines

    def write(self, level: str, event: str, told: dict[str, Any]) -> None:
        """`told` becomes the line. One that is not good news is written at once."""
        self.write_with(level, told, self.rest(level, event, {}))

    def rest(self, level: str, event: str, told: dict[str, Any]) -> bytes:
        """What many lines have in common, ready to be written."""
        return _encoded({**told, "event": event, "level": level})[1:] + b"\n"

    def write_with(self, level: str, told: dict[str, Any], rest: bytes) -> None:
        """A line of `told` and of what `rest` has made ready for this level."""
        told["timestamp"] = datetime.now(UTC)
        self._lines.put(_encoded(told)[:-1] + b"," + rest)
        if level != "info":
            self._lines.flush()

    def flush(self) -> None:
        self._lines.flush()


def fast_logger() -> FastJsonLogger | None:
    """None: lines are structlog's business."""
    factory = structlog.get_config()["logger_factory"]
    return factory if isinstance(factory, FastJsonLogger) else None


def configure(
    *,
    level: str,
    style: str,
    providers: Iterable[str] = (),
    out: TextIO | None = None,
    env: Mapping[str, str] | None = None,
    once: bool = False,
    shared: bool = False,
) -> BufferedLineWriter:
    """`style`: auto, console, or json. `providers` in the order of the configuration, for their colours.

    `once`: this process will not be configured again, so that loggers may be kept ready. `shared`: it will fork, and all of them
    write.
    """
    stream = out or sys.stdout
    lines = BufferedLineWriter(stream.buffer, patient=once and not stream.isatty(), shared=shared)
    factory = structlog.BytesLoggerFactory(lines)  # type: ignore[arg-type]
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if style == "console" or (style == "auto" and stream.isatty()):
        render = console(providers, colours=coloured(stream, env or {}))

        def rendered(logger: Any, name: str, event: MutableMapping[str, Any]) -> bytes:
            return render(logger, name, event).encode("utf-8", "replace")

        processors.append(rendered)
    else:
        processors += [structlog.processors.format_exc_info, _json]
        if once:
            factory = FastJsonLogger(lines, LEVELS[level])
            atexit.register(lines.flush)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=factory,
        cache_logger_on_first_use=once,
    )
    _adopt_stdlib(LEVELS[level])
    return lines


def configure_embedded() -> None:
    """In somebody else's program: unless that has configured structlog, our lines go to the standard library's `logging`, under
    `octoroute`, and nowhere if that has no handlers.
    """
    if structlog.is_configured():
        return
    logging.getLogger("octoroute").addHandler(logging.NullHandler())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"], drop_missing=True),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _json(logger: object, name: str, event: MutableMapping[str, Any]) -> bytes:  # noqa: ARG001 - structlog's signature
    return _encoded(event)


def _encoded(event: MutableMapping[str, Any]) -> bytes:
    try:
        return _ENCODER.encode(event)
    except UnicodeEncodeError:  # half a surrogate pair, as in a file name that is no text
        return json.dumps(msgspec.to_builtins(event, enc_hook=repr)).encode()


def console(providers: Iterable[str], *, colours: bool) -> Callable[[Any, str, MutableMapping[str, Any]], str]:
    known = colours_of(providers)

    def provider(key: str, value: object) -> str:  # noqa: ARG001 - a column formatter's signature
        text = str(value)
        if not colours:
            return f"[{text}]"
        return f"{colour_of(text, known)}[{text}]{RESET}"

    def plain(key_style: str | None, value_style: str) -> KeyValueColumnFormatter:
        return KeyValueColumnFormatter(
            key_style=key_style if colours and key_style is not None else (None if key_style is None else ""),
            value_style=value_style if colours else "",
            reset_style=RESET if colours else "",
            value_repr=str,
        )

    return structlog.dev.ConsoleRenderer(
        columns=[
            Column("timestamp", plain(None, _DIM)),
            Column(
                "level",
                LogLevelColumnFormatter(
                    _LEVEL_COLOURS if colours else dict.fromkeys(_LEVEL_COLOURS, ""), reset_style=RESET if colours else ""
                ),
            ),
            Column("event", plain(None, _BOLD)),
            Column("provider", provider),
            Column("", plain(_DIM, "")),
        ],
        exception_formatter=structlog.dev.plain_traceback,  # the other ones print local variables: prompts and keys
    )


def colours_of(providers: Iterable[str]) -> Mapping[str, str]:
    """Of the first six, in the order of the configuration."""
    return {name: PALETTE[at] for at, name in enumerate(dict.fromkeys(providers)) if at < len(PALETTE)}


def colour_of(provider: str, known: Mapping[str, str]) -> str:
    """The same provider has the same colour in every process."""
    return known.get(provider) or PALETTE[zlib.crc32(provider.encode()) % len(PALETTE)]


def coloured(out: TextIO, env: Mapping[str, str]) -> bool:
    if env.get("NO_COLOR"):
        return False
    return bool(env.get("FORCE_COLOR")) or out.isatty()


class _Forward(logging.Handler):
    """What libraries say through the standard library's logging comes out in our format."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.stdlib.get_logger(record.name)
        method = getattr(log, record.levelname.lower(), log.warning)
        method(record.getMessage(), exc_info=record.exc_info or None)


def _adopt_stdlib(level: int) -> None:
    root = logging.getLogger()
    root.handlers = [_Forward()]
    root.setLevel(max(level, logging.WARNING))  # libraries' chatter is not our users' business
