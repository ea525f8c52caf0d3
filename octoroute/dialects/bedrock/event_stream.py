"""`application/vnd.amazon.eventstream` as bytes: cut a stream into messages, check them, read them. Pure.

A message is its total length (4 bytes, big-endian), the length of its headers (4), the CRC-32 of these eight bytes, the headers,
the payload, and the CRC-32 of all before it. Source: AWS, "Event stream encoding" (smithy.io, Amazon Event Stream Specification).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from octoroute.errors import BadUpstreamResponse

PRELUDE_BYTES = 12
MIN_MESSAGE_BYTES = PRELUDE_BYTES + 4
MAX_HEADERS_BYTES = 128 * 1024
MAX_MESSAGE_BYTES = MIN_MESSAGE_BYTES + MAX_HEADERS_BYTES + 24 * 1024 * 1024
"""Of the specification: a payload has at most 24 MiB."""
_DAMAGED = "the upstream's event stream is damaged"
_STRING = 7
_BLOB = 6
_FIXED_BYTES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type: true, false, byte, short, integer, long, timestamp, UUID."""


class EventMessage(NamedTuple):
    headers: Mapping[str, str]
    """Those whose value is a string."""
    payload: bytes


class EventStreamSplitter:
    """The `Framer` of event streams. A frame is a message."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def rest(self) -> bytes:
        """The unfinished message."""
        return bytes(self._rest)

    def feed(self, data: bytes) -> bytes:
        """All messages that `data` completes. Raises BadUpstreamResponse for a damaged prelude, unless messages precede it.

        In that case the damaged bytes are returned behind them, for the decoder to refuse.
        """
        rest = self._rest
        rest += data
        end = 0
        while len(rest) - end >= PRELUDE_BYTES:
            length = _message_length(rest, end)
            if not length:
                if not end:
                    raise BadUpstreamResponse(_DAMAGED)
                end = len(rest)
                break
            if length > len(rest) - end:
                break
            end += length
        if not end:
            return b""
        frames = bytes(rest[:end])
        del rest[:end]
        return frames

    def split(self, frames: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(frames):
            length = _message_length(frames, at) or len(frames) - at
            yield frames[at : at + length]
            at += length


def read_messages(frames: bytes) -> Iterator[EventMessage]:
    """The messages of complete frames. Raises BadUpstreamResponse at the first one that is damaged or not complete."""
    at = 0
    while at < len(frames):
        length = _message_length(frames, at)
        end = at + length
        if not length or end > len(frames):
            raise BadUpstreamResponse(_DAMAGED)
        if zlib.crc32(memoryview(frames)[at : end - 4]) != int.from_bytes(frames[end - 4 : end], "big"):
            raise BadUpstreamResponse(_DAMAGED, detail="the checksum of a message is wrong")
        headers_end = at + PRELUDE_BYTES + int.from_bytes(frames[at + 4 : at + 8], "big")
        yield EventMessage(dict(_headers(frames[at + PRELUDE_BYTES : headers_end])), frames[headers_end : end - 4])
        at = end


def _message_length(buffer: bytes | bytearray, at: int) -> int:
    """The length that the prelude at `at` states; 0: the prelude is damaged or not complete."""
    prelude = bytes(buffer[at : at + PRELUDE_BYTES])
    if len(prelude) < PRELUDE_BYTES or zlib.crc32(prelude[:8]) != int.from_bytes(prelude[8:], "big"):
        return 0
    length, headers = int.from_bytes(prelude[:4], "big"), int.from_bytes(prelude[4:8], "big")
    fits = headers <= MAX_HEADERS_BYTES and MIN_MESSAGE_BYTES + headers <= length <= MAX_MESSAGE_BYTES
    return length if fits else 0


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    """Names and values of the string headers. Raises BadUpstreamResponse."""
    at = 0
    try:
        while at < len(data):
            name_end = at + 1 + data[at]
            name, kind = data[at + 1 : name_end].decode(), data[name_end]
            at = name_end + 1
            size = _FIXED_BYTES.get(kind)
            if size is None:
                if kind not in {_STRING, _BLOB}:
                    raise BadUpstreamResponse(_DAMAGED, detail=f"a header has the unknown type {kind}")
                size = int.from_bytes(data[at : at + 2], "big")
                at += 2
            if at + size > len(data):
                raise BadUpstreamResponse(_DAMAGED, detail="a header is longer than the headers")
            if kind == _STRING:
                yield name, data[at : at + size].decode()
            at += size
    except (IndexError, UnicodeDecodeError):
        raise BadUpstreamResponse(_DAMAGED, detail="a header cannot be read") from None
