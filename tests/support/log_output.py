"""Where log lines go in a test: a stream that may be a terminal, and a file that remembers each write."""

from __future__ import annotations

import io


class Screen(io.TextIOWrapper):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    @property
    def text(self) -> str:
        return self.buffer.getvalue().decode()


class File(io.BytesIO):
    """Remembers each write. `max_write`: bytes that it takes at once."""

    def __init__(self, max_write: int = 1 << 30) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.max_write = max_write

    def write(self, data) -> int:
        self.writes.append(bytes(data[: self.max_write]))
        return super().write(data[: self.max_write])
