"""Newline-delimited JSON as bytes: cut a stream at line ends, read lines. Pure.

One JSON value a line, lines end at LF (https://github.com/ndjson/ndjson-spec); a CR before it is white space to JSON. No valid JSON
value holds a bare LF, so a line end is always a frame's end.
"""

from __future__ import annotations

from collections.abc import Iterator

from octoroute.dialects.response.sse import MAX_FRAME_BYTES
from octoroute.errors import BadUpstreamResponse


class LineSplitter:
    """The `Framer` of formats that stream one JSON value a line."""

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = MAX_FRAME_BYTES) -> None:
        """`limit`: bytes of one line."""
        self._rest = bytearray()
        self._limit = limit

    @property
    def rest(self) -> bytes:
        """The last line, if the server has not ended it."""
        return bytes(self._rest)

    def feed(self, data: bytes) -> bytes:
        """All lines that `data` completes; b"" when it completes none. Raises BadUpstreamResponse for a line beyond the limit."""
        rest = self._rest
        end = data.rfind(b"\n") + 1
        if not end:
            rest += data
            if len(rest) > self._limit:
                raise BadUpstreamResponse(f"a line is longer than {self._limit} bytes")
            return b""
        lines = bytes(rest) + data[:end] if rest else data[:end]
        self._rest = bytearray(data[end:])
        return lines

    def split(self, frames: bytes) -> Iterator[bytes]:
        """Each line with its own end."""
        at = 0
        while at < len(frames):
            end = frames.find(b"\n", at) + 1 or len(frames)
            yield frames[at:end]
            at = end


def read_lines(frames: bytes) -> Iterator[bytes]:
    """Each line's value, undecoded; blank lines are keep-alives."""
    for line in frames.split(b"\n"):
        value = line.strip()
        if value:
            yield value
