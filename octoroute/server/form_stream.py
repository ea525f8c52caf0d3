"""Multipart forms (RFC 7578) that are read piece by piece: a file is never in memory as a whole. Pure.

Number and length of headers, fields, and parts are limited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from octoroute.errors import BadRequest

MAX_PARTS = 32
MAX_HEADER_BYTES = 8 * 1024
_PARAMETER = re.compile(rb';\s*(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


class PartBegin(NamedTuple):
    name: str
    filename: str | None
    """None: the part is a field."""


class PartData(NamedTuple):
    data: bytes


class FormStream:
    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._buffer = bytearray(b"\r\n")  # the first delimiter has none before it
        self._state = self._preamble
        self._parts = 0
        self.is_complete = False

    def feed(self, piece: bytes) -> Iterator[PartBegin | PartData]:
        """Raises BadRequest."""
        self._buffer += piece
        while not self.is_complete:
            before = len(self._buffer), self._state
            yield from self._state()
            if (len(self._buffer), self._state) == before:
                return
        self._buffer.clear()

    def check_complete(self) -> None:
        """Raises BadRequest."""
        if not self.is_complete:
            raise BadRequest("the form is incomplete: its last boundary is missing")

    def _preamble(self) -> Iterator[PartBegin | PartData]:
        for _ in self._up_to_delimiter():
            pass
        yield from ()

    def _content(self) -> Iterator[PartBegin | PartData]:
        for data in self._up_to_delimiter():
            yield PartData(data)

    def _up_to_delimiter(self) -> Iterator[bytes]:
        buffer = self._buffer
        at = buffer.find(self._delimiter)
        if at >= 0:
            data = bytes(buffer[:at])
            del buffer[: at + len(self._delimiter)]
            self._state = self._after_delimiter
        else:
            kept = min(len(buffer), len(self._delimiter) - 1)
            data = bytes(buffer[: len(buffer) - kept])
            del buffer[: len(buffer) - kept]
        if data:
            yield data

    def _after_delimiter(self) -> Iterator[PartBegin | PartData]:
        """A part follows, or the end."""
        buffer = self._buffer
        if buffer.startswith(b"--"):
            self.is_complete = True
        elif (at := buffer.find(b"\r\n")) >= 0:
            if buffer[:at].strip(b" \t"):
                raise BadRequest("the form is malformed: a boundary is followed by other text")
            del buffer[:at]
            self._state = self._headers
        elif len(buffer) > MAX_HEADER_BYTES:
            raise BadRequest("the form is malformed: a boundary is followed by other text")
        yield from ()

    def _headers(self) -> Iterator[PartBegin | PartData]:
        """The buffer begins with the line feed before the first header."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEADER_BYTES:
            if len(buffer) > MAX_HEADER_BYTES:
                raise BadRequest(f"a part of the form has more than {MAX_HEADER_BYTES} bytes of headers")
            return
        head = bytes(buffer[:end])
        del buffer[: end + 4]
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise BadRequest(f"the form has more than {MAX_PARTS} parts")
        self._state = self._content
        yield _begin(head)


def _begin(head: bytes) -> PartBegin:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            found = {key.lower().decode(): text for key, text in _PARAMETER.findall(b";" + value.partition(b";")[2])}
            if "name" in found:
                filename = found.get("filename")
                return PartBegin(_text(found["name"]), None if filename is None else _text(filename))
    raise BadRequest("a part of the form has no name")


def _text(value: bytes) -> str:
    return re.sub(rb"\\(.)", rb"\1", value).decode("utf-8", "replace")
