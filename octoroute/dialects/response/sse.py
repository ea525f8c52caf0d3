"""Server-sent events as bytes: cut a stream at frame ends, read frames, write frames. Pure.

Lines end at CR, LF, or CRLF and nowhere else (https://html.spec.whatwg.org/multipage/server-sent-events.html), so U+2028 and
U+2029 inside JSON are left alone. Bytes are never decoded here: a character cut between two reads stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from octoroute.errors import BadUpstreamResponse

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""A longer frame is refused: it would have to be held in memory."""

KEEP_ALIVE = b": keep-alive\n\n"

BARE = "(bare)"
"""The event name of JSON that a server wrote into the stream without a frame around it; no field can have it."""

_FRAME_END = re.compile(rb"(?:\r\n|\r(?!\n)|\n)(?:\r\n|\r(?!\n)|\n)")
_NOTHING = (b"", b"null")
_MAX_NOTHING = 16
"""Longer data says something: looking at it costs more than it is worth."""
_BOM = b"\xef\xbb\xbf"


class FrameSplitter:
    """The `Framer` of server-sent events: holds back the unfinished frame at the end of the bytes fed so far."""

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = MAX_FRAME_BYTES) -> None:
        self._rest = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> bytes:
        """All frames that `data` completes, byte for byte; b"" when it completes none. Raises BadUpstreamResponse for a frame that
        exceeds the limit.
        """
        rest = self._rest
        if not rest and data.endswith(b"\n\n"):  # nearly every server writes whole frames
            return data
        start = max(0, len(rest) - 3)
        rest += data
        end = _last_frame_end(rest, start)
        if end:
            complete = bytes(rest[:end])
            del rest[:end]
            return complete
        if len(rest) > self._limit:
            raise BadUpstreamResponse(f"an event is longer than {self._limit} bytes")
        return b""

    @property
    def rest(self) -> bytes:
        """The unfinished frame. Some servers end the stream without closing its last frame."""
        return bytes(self._rest)

    def split(self, frames: bytes) -> Iterator[bytes]:
        return split(frames)


def _last_frame_end(buffer: bytearray, start: int) -> int:
    """The end of the last frame that ends after `start`; 0: no frame does."""
    if buffer.find(b"\r", start) < 0:
        at = buffer.rfind(b"\n\n", start)
        return at + 2 if at >= 0 else 0
    end = 0
    for match in _FRAME_END.finditer(buffer, start):
        end = match.end()
    return end


def read_frames(frames: bytes) -> Iterator[tuple[str, bytes]]:
    """(event name, data) of each frame that says something; comments, ids, retry fields, and blank data are no events.

    A field `error:` is an event of that name, and JSON outside of any field one named BARE: both are how servers report failures.
    """
    name = ""
    data: bytes | None = None
    bare: list[bytes] = []
    begins = True
    for line in frames.splitlines():
        if begins and line.startswith(_BOM):  # a mark of the stream's beginning, but the first frame is not known here
            line = line[3:]  # noqa: PLW2901 - the same line, without its mark
        begins = not line
        if begins:
            if data is not None and (len(data) > _MAX_NOTHING or name == "error" or data.strip() not in _NOTHING):
                yield name, data
            name, data = "", None
        elif line.startswith(b"data:") or line == b"data":
            value = line[6:] if line.startswith(b"data: ") else line[5:]
            data = value if data is None else data + b"\n" + value
        elif line.startswith(b"event:") or line == b"event":
            name = line[6:].removeprefix(b" ").decode("utf-8", "replace")
        elif line.startswith(b"error:"):
            name, data = "error", line[6:].removeprefix(b" ")
        elif bare or line[:1] in {b"{", b"["}:
            bare.append(line)
            continue
        if bare:
            yield BARE, b"\n".join(bare)
            bare.clear()
    if data is not None and (len(data) > _MAX_NOTHING or name == "error" or data.strip() not in _NOTHING):
        yield name, data
    if bare:
        yield BARE, b"\n".join(bare)


def split(frames: bytes) -> Iterator[bytes]:
    """Each frame with its own end, as it came."""
    at = 0
    for match in _FRAME_END.finditer(frames):
        yield frames[at : match.end()]
        at = match.end()
    if at < len(frames):
        yield frames[at:]


def frame(data: bytes, event: str | None = None) -> bytes:
    """One frame around `data`, which is JSON and so holds no line end."""
    if event is None:
        return b"data: " + data + b"\n\n"
    return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"
