"""Log lines for a terminal: one colour a provider, the same in every process, and no escape sequences where colours are off."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.dev import Column, KeyValueColumnFormatter, LogLevelColumnFormatter

PALETTE = ("\x1b[92m", "\x1b[94m", "\x1b[95m", "\x1b[96m", "\x1b[93m", "\x1b[91m")
"""Green, blue, magenta, cyan, yellow, red: for the first six providers; further ones share these colours."""
RESET = "\x1b[0m"
_BOLD, _DIM = "\x1b[1m", "\x1b[2m"
_LEVEL_COLOURS = {
    "critical": "\x1b[91m",
    "error": "\x1b[91m",
    "warning": "\x1b[93m",
    "info": "\x1b[92m",
    "debug": _DIM,
}


def console_renderer(providers: Iterable[str], *, colours: bool) -> Callable[[Any, str, MutableMapping[str, Any]], str]:
    """A structlog processor. `providers` in the order of the configuration, for their colours."""
    known = colours_of(providers)

    def provider(key: str, value: object) -> str:  # noqa: ARG001 - a column formatter's signature
        text = str(value)
        if not colours:
            return f"[{text}]"
        return f"{colour_of(text, known)}[{text}]{RESET}"

    def column(key_style: str | None, value_style: str) -> KeyValueColumnFormatter:
        """`key_style` None: the value without its key."""
        return KeyValueColumnFormatter(
            key_style=key_style if colours or key_style is None else "",
            value_style=value_style if colours else "",
            reset_style=RESET if colours else "",
            value_repr=str,
        )

    levels = _LEVEL_COLOURS if colours else dict.fromkeys(_LEVEL_COLOURS, "")
    return structlog.dev.ConsoleRenderer(
        columns=[
            Column("timestamp", column(None, _DIM)),
            Column("level", LogLevelColumnFormatter(levels, reset_style=RESET if colours else "")),
            Column("event", column(None, _BOLD)),
            Column("provider", provider),
            Column("", column(_DIM, "")),
        ],
        exception_formatter=structlog.dev.plain_traceback,  # the other formatters print local variables: prompts and keys
    )


def colours_of(providers: Iterable[str]) -> Mapping[str, str]:
    """The colours of the first six providers, in the order of the configuration."""
    return {name: PALETTE[at] for at, name in enumerate(dict.fromkeys(providers)) if at < len(PALETTE)}


def colour_of(provider: str, known: Mapping[str, str]) -> str:
    """The colour in `known`, else one by a checksum of the name, so that it is the same in every process."""
    return known.get(provider) or PALETTE[zlib.crc32(provider.encode()) % len(PALETTE)]


def supports_colours(out: TextIO, env: Mapping[str, str]) -> bool:
    """NO_COLOR in `env` wins, then FORCE_COLOR; without either, a terminal has colours. Source: no-color.org."""
    if env.get("NO_COLOR"):
        return False
    return bool(env.get("FORCE_COLOR")) or out.isatty()
