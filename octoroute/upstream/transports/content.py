"""An answer's body as a reader meets it: in pieces at the reader's pace, with any compression undone in bounded memory."""

from __future__ import annotations

import zlib
from collections.abc import Coroutine, Mapping
from typing import Any

from octoroute.errors import BadUpstreamResponse
from octoroute.upstream.transports.base import Sink

PIECE = 256 * 1024
"""The most bytes one step of decompression may give, so that a small packet cannot become a large allocation."""
FREE = 8 * 1024 * 1024
MOST = 200
"""A compressed body may grow to FREE bytes whatever its size, beyond that to MOST times what came over the wire."""


class Inflater:
    """gzip (RFC 1952, with several members) and deflate (RFC 1950, or RFC 1951 bare as some servers send it)."""

    __slots__ = ("_encoding", "_held", "_in", "_out", "_z", "pending")

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._z = zlib.decompressobj(31) if encoding == "gzip" else None
        self._held = b""
        self._in = self._out = 0
        self.pending = False

    def feed(self, data: bytes) -> bytes:
        """At most PIECE bytes, perhaps none; while `pending`, `feed(b"")` gives more. Raises Broke on nonsense and on bombs."""
        self._in += len(data)
        data = self._held + data
        if self._z is None:
            if len(data) < 2:
                self._held = data
                return b""
            wrapped = data[0] & 0x0F == 8 and (data[0] * 256 + data[1]) % 31 == 0
            self._z = zlib.decompressobj(15 if wrapped else -15)
        elif self._z.eof and data:
            if self._encoding != "gzip":
                raise BadUpstreamResponse("the upstream's compressed answer went on after its end")
            self._z = zlib.decompressobj(31)
        try:
            plain = self._z.decompress(data, PIECE)
        except zlib.error as error:
            raise BadUpstreamResponse("the upstream's answer could not be decompressed", detail=str(error)) from error
        self._held = self._z.unused_data if self._z.eof else self._z.unconsumed_tail
        # At a full PIECE zlib may keep output back with no input left over; an empty feed fetches it.
        self.pending = bool(self._held) or len(plain) == PIECE
        self._out += len(plain)
        if self._out > max(FREE, self._in * MOST):
            raise BadUpstreamResponse("the upstream's compressed answer expands beyond reason")
        return plain

    def finish(self) -> None:
        """The wire has ended. Raises Broke when the compressed body had not."""
        if self._in and (self._z is None or not self._z.eof):
            raise BadUpstreamResponse("the upstream's compressed answer was cut short")


def undo(headers: dict[str, str]) -> Inflater | None:
    """What undoes the body's content-encoding, whose traces are taken out of `headers`. Raises Broke for one we never asked for."""
    encoding = headers.get("content-encoding")
    if encoding is None:
        return None
    name = encoding.strip().lower().removeprefix("x-")
    if name in ("", "identity"):
        return None
    if name not in ("gzip", "deflate"):
        raise BadUpstreamResponse("the upstream's answer is compressed in a way it was not asked for", detail=encoding[:100])
    del headers["content-encoding"]
    headers.pop("content-length", None)
    return Inflater(name)


class ResponseBody:
    """The reading half of an Answer, over one primitive: `_raw`, the next bytes off the wire and b"" at the end."""

    __slots__ = ("_inflater",)

    _inflater: Inflater | None
    headers: Mapping[str, str]

    async def _raw(self) -> bytes:
        raise NotImplementedError

    def chunk(self) -> Coroutine[Any, Any, bytes]:
        # One of two coroutines, not one around them: every piece of every stream passes here, and hardly any is compressed.
        return self._raw() if self._inflater is None else self._inflated(self._inflater)

    def flow(self, sink: Sink) -> Coroutine[Any, Any, bytes | None]:  # noqa: ARG002 - not every wire can
        return self.chunk()

    async def _inflated(self, inflater: Inflater) -> bytes:
        while True:
            if inflater.pending:
                plain = inflater.feed(b"")
            elif data := await self._raw():
                plain = inflater.feed(data)
            else:
                inflater.finish()
                return b""
            if plain:
                return plain

    async def body(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := await self.chunk():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise BadUpstreamResponse(f"the upstream's answer is longer than {limit} bytes")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
