"""The output of the tour: colours and line-drawing characters if the terminal supports them, otherwise plain text."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import TextIO

from octoroute.domain.endpoint import Tier

_STYLES: Mapping[str, str] = {
    "bold": "\x1b[1m",
    "dim": "\x1b[2m",
    "good": "\x1b[92m",
    "bad": "\x1b[91m",
    "link": "\x1b[96m",
    Tier.FAST: "\x1b[92m",
    Tier.BALANCED: "\x1b[94m",
    Tier.DEEP: "\x1b[95m",
}
_RESET = "\x1b[0m"
_PLAIN = str.maketrans({"▶": ">", "─": "-", "●": "*", "▸": ">", "│": "|", "└": "`", "✗": "x", "✓": "+", "·": "-", "…": "."})
_MAX_WIDTH = 100
_MIN_WIDTH = 40


class Screen:
    """Writes lines and wrapped words to a terminal or a file. `env`: `NO_COLOR`, `FORCE_COLOR`, and `TERM` are honoured."""

    def __init__(self, out: TextIO, env: Mapping[str, str]) -> None:
        self._out = out
        self.is_terminal = out.isatty()
        dumb = not self.is_terminal or env.get("TERM") == "dumb"
        self._coloured = not env.get("NO_COLOR") and (bool(env.get("FORCE_COLOR")) or not dumb)
        self._drawn = _can_draw(out)
        width = shutil.get_terminal_size((_MAX_WIDTH, 24)).columns if self.is_terminal else _MAX_WIDTH
        self.width = max(_MIN_WIDTH, min(_MAX_WIDTH, width))
        self._column = self._margin = 0
        self._indent = ""

    def paint(self, text: str, style: str) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if self._coloured and text else text

    def line(self, text: str = "") -> None:
        self._write(f"{text}\n")

    def begin(self, indent: str, style: str) -> None:
        """Start a paragraph of words; each of its lines starts with `indent`."""
        self._indent = self.paint(indent, style)
        self._write(self._indent)
        self._column = self._margin = len(indent)

    def word(self, text: str, style: str | None = None) -> None:
        """Write the word immediately, on a new line if the current one is full."""
        if self._column + len(text.rstrip()) > self.width and self._column > self._margin:
            self._write(f"\n{self._indent}")
            self._column = self._margin
            text = text.lstrip()
        self._write(self.paint(text, style) if style else text)
        self._column += len(text)

    def end(self) -> None:
        self._write("\n")

    def _write(self, text: str) -> None:
        self._out.write(text if self._drawn else text.translate(_PLAIN))
        self._out.flush()


def _can_draw(out: TextIO) -> bool:
    try:
        "▶─●▸│└✗✓·…".encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
