"""A stream as one JSON array, which Gemini's API sends to clients that do not ask for server-sent events. Pure.

An error is the last element, in the place of a response.
"""

from __future__ import annotations

from octoroute.dialects.response.sse import read_frames


class ArrayStream:
    """The `StreamWrapper`: elements are separated as Google's servers do it, so that line readers work too."""

    media_type = "application/json; charset=utf-8"
    keep_alive = b" "

    def __init__(self) -> None:
        self._opened = False

    def wrap(self, frames: bytes) -> bytes:
        out: list[bytes] = []
        for _, data in read_frames(frames):
            if data.strip() and data != b"[DONE]":
                out += (b",\r\n" if self._opened else b"[", data, b"\n")
                self._opened = True
        return b"".join(out)

    def end(self) -> bytes:
        return b"]\n" if self._opened else b"[]\n"
