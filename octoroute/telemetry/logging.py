"""Configures structlog and the standard library's logging for the process: coloured lines on a terminal, JSON otherwise.

Configured once per process; every other module asks structlog for a logger. No prompt and no key is logged above debug.
"""

from __future__ import annotations

import atexit
import logging
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from octoroute.telemetry.console import console_renderer, supports_colours
from octoroute.telemetry.log_writer import BufferedLineWriter, FastJsonLogger, encode_json

LEVELS = {"trace": logging.NOTSET, "debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


def fast_logger() -> FastJsonLogger | None:
    """None: this process writes all its lines through structlog."""
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
    """`style`: auto, console, or json. `providers` in the order of the configuration, for their colours. `out` None: stdout.

    `once`: this process will not be configured again, so that loggers may be cached and lines of requests bypass structlog.
    `shared`: this process will fork, and all of its workers write to `out`.
    """
    stream = out or sys.stdout
    lines = BufferedLineWriter(stream.buffer, buffered=once and not stream.isatty(), shared=shared)
    factory = structlog.BytesLoggerFactory(lines)  # type: ignore[arg-type]
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if style == "console" or (style == "auto" and stream.isatty()):
        render = console_renderer(providers, colours=supports_colours(stream, env or {}))

        def render_bytes(logger: Any, name: str, event: MutableMapping[str, Any]) -> bytes:
            return render(logger, name, event).encode("utf-8", "replace")

        processors.append(render_bytes)
    else:
        processors += [structlog.processors.format_exc_info, _render_json]
        if once:
            factory = FastJsonLogger(lines, LEVELS[level])
            atexit.register(lines.flush)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=factory,
        cache_logger_on_first_use=once,
    )
    _capture_stdlib(LEVELS[level])
    return lines


def configure_embedded() -> None:
    """For use as a library: lines go to the standard library's `logging`, under `octoroute`, and nowhere if that has no handlers.

    Does nothing if the embedding program has configured structlog itself.
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


def _render_json(logger: object, name: str, event: MutableMapping[str, Any]) -> bytes:  # noqa: ARG001 - structlog's signature
    return encode_json(event)


class _StructlogHandler(logging.Handler):
    """Forwards what libraries log through the standard library, so that it comes out in our format."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.stdlib.get_logger(record.name)
        method = getattr(log, record.levelname.lower(), log.warning)
        method(record.getMessage(), exc_info=record.exc_info or None)


def _capture_stdlib(level: int) -> None:
    root = logging.getLogger()
    root.handlers = [_StructlogHandler()]
    root.setLevel(max(level, logging.WARNING))  # debug and info lines of libraries do not concern an operator
