"""The bytes of a response in HTTP/1.1 (RFC 9112): its head, and the framing of its body. Pure."""

from __future__ import annotations

import http
from collections.abc import Iterable, Sequence

FRAMING_FIELDS = frozenset({"content-length", "transfer-encoding", "connection"})
_UNSAFE = bytes({*range(32), 127} - {ord("\t")})
_NOSNIFF = "x-content-type-options: nosniff\r\n"
"""Of every response: a browser must not take an upstream's text for a page."""
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n{_NOSNIFF}".encode() for status in http.HTTPStatus}
_BODILESS = frozenset({204, 304})


def head_of(status: int, fields: Iterable[tuple[str, str]]) -> bytes:
    """Return status line and header fields, with `x-content-type-options`.

    Raises ValueError for a control character, which could start another field.
    """
    lines = list(map(": ".join, fields))
    head = "\r\n".join(lines).encode("latin-1", "replace")
    if lines and len(head.translate(None, _UNSAFE)) != len(head) - len("\r\n") * (len(lines) - 1):
        raise ValueError("a header holds a control character")
    line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n%b" % (status, _NOSNIFF.encode())
    return b"".join((line, head, b"\r\n\r\n" if lines else b"\r\n"))


class ResponseFraming:
    """Frames a response that is sent in pieces. The head is held back, so that it is written together with the first piece."""

    __slots__ = ("_bodiless", "_chunked", "_head", "_left_bytes")

    def __init__(self, status: int, fields: Sequence[tuple[str, str]], *, bodiless: bool, old: bool) -> None:
        """`fields`: names in lower case. `bodiless`: the response has no body whatever the fields say (HEAD). `old`: the client
        speaks HTTP/1.0, which has no chunks: a body of unknown length ends with the connection.
        """
        framing = {name: value for name, value in fields if name in FRAMING_FIELDS}
        self._bodiless = bodiless or status in _BODILESS
        self._chunked = False
        self._left_bytes: int | None = None
        """Of the announced content length; None: no length was announced."""
        if "content-length" in framing:
            self._left_bytes = int(framing["content-length"])
        elif not self._bodiless and not old:
            self._chunked = True
            if "transfer-encoding" not in framing:
                fields = [*fields, ("transfer-encoding", "chunked")]
        self._head = head_of(status, fields)

    def encode(self, piece: bytes) -> bytes:
        """Return what is to be written for a piece; empty for an empty piece. Raises RuntimeError if the body is too long."""
        if not piece or self._bodiless:
            return b""
        if self._chunked:
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        elif self._left_bytes is not None:
            self._count(piece)
        if self._head:
            piece, self._head = self._head + piece, b""
        return piece

    def encode_last(self, piece: bytes) -> bytes:
        """Return what is to be written for the last piece. Raises RuntimeError if the body is not as long as announced."""
        if self._bodiless:
            piece = b""
        elif self._chunked:
            piece = b"%x\r\n%b\r\n0\r\n\r\n" % (len(piece), piece) if piece else b"0\r\n\r\n"
        elif self._left_bytes is not None:
            self._count(piece)
            if self._left_bytes:
                raise RuntimeError("the response body is shorter than its content-length")
        return self.take_head() + piece

    def take_head(self) -> bytes:
        """Return the head, unless it has been returned before."""
        head, self._head = self._head, b""
        return head

    def _count(self, piece: bytes) -> None:
        assert self._left_bytes is not None
        self._left_bytes -= len(piece)
        if self._left_bytes < 0:
            raise RuntimeError("the response body is longer than its content-length")
