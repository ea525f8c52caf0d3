"""Log lines: one a request, coloured on a terminal, JSON otherwise. No prompt and no key is ever put into one above debug.

Configured once per process; everything else asks structlog for a logger. A log that cannot be written is dropped and counted:
a full disk costs lines, never answers.
"""

from __future__ import annotations

import json
import logging
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, BinaryIO, TextIO

import msgspec
import structlog
from structlog.dev import Column, KeyValueColumnFormatter, LogLevelColumnFormatter

LEVELS = {"trace": logging.NOTSET, "debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
PALETTE = ("\x1b[92m", "\x1b[94m", "\x1b[95m", "\x1b[96m", "\x1b[93m", "\x1b[91m")
"""Green, blue, magenta, cyan, yellow, red: the first six providers differ, the rest are stable."""
RESET = "\x1b[0m"
_BOLD, _DIM = "\x1b[1m", "\x1b[2m"
_LEVEL_COLOURS = {
    "critical": "\x1b[91m",
    "error": "\x1b[91m",
    "warning": "\x1b[93m",
    "info": "\x1b[92m",
    "debug": _DIM,
}


class Lines:
    """A file that lines are written to, whatever its state; `dropped` counts those it did not take."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.dropped = 0

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except (OSError, ValueError):
            self.dropped += 1
            return 0

    def flush(self) -> None:
        try:
            self._file.flush()
        except (OSError, ValueError):
            self.dropped += 1


def configure(
    *,
    level: str,
    style: str,
    providers: Iterable[str] = (),
    out: TextIO | None = None,
    env: Mapping[str, str] | None = None,
    once: bool = False,
) -> Lines:
    """`style`: auto, console, or json. `providers` in the order of the configuration, for their colours.

    `once`: this process will not be configured again, so that loggers may be kept ready.
    """
    stream = out or sys.stdout
    lines = Lines(stream.buffer)
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
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(lines),  # type: ignore[arg-type]
        cache_logger_on_first_use=once,
    )
    _adopt_stdlib(LEVELS[level])
    return lines


def as_a_guest() -> None:
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
    try:
        return msgspec.json.encode(event, enc_hook=repr)
    except UnicodeEncodeError:  # half a surrogate pair, as in a file name that is no text
        return json.dumps(event, default=repr).encode()


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
