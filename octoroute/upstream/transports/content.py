"""A response's body: read in pieces at the reader's pace, decompressed in bounded memory."""

from __future__ import annotations

import zlib
from collections.abc import Coroutine, Mapping
from typing import Any

from octoroute.errors import BadUpstreamResponse
from octoroute.upstream.transports.base import Sink

MAX_STEP_BYTES = 256 * 1024
"""Output of one step of decompression, so that a small packet cannot become a large allocation."""
FREE_BYTES = 8 * 1024 * 1024
MAX_RATIO = 200
"""A compressed body may grow to FREE_BYTES whatever its size, beyond that to MAX_RATIO times the bytes on the wire."""


class Inflater:
    """gzip (RFC 1952, with several members) and deflate (RFC 1950, or RFC 1951 bare as some servers send it)."""

    __slots__ = ("_encoding", "_held", "_in", "_out", "_z", "pending")

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._z = zlib.decompressobj(31) if encoding == "gzip" else None
        self._held = b""
        self._in = self._out = 0
        self.pending = False
        """More output is there without more input."""

    def feed(self, data: bytes) -> bytes:
        """At most MAX_STEP_BYTES, perhaps none; while `pending`, `feed(b"")` returns more. Raises BadUpstreamResponse for
        invalid data and for a decompression bomb.
        """
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
                raise BadUpstreamResponse("the upstream's compressed answer continues after its end")
            self._z = zlib.decompressobj(31)
        try:
            plain = self._z.decompress(data, MAX_STEP_BYTES)
        except zlib.error as error:
            raise BadUpstreamResponse("the upstream's answer could not be decompressed", detail=str(error)) from error
        self._held = self._z.unused_data if self._z.eof else self._z.unconsumed_tail
        # After a full step zlib may keep output back with no input left over; an empty feed fetches it.
        self.pending = bool(self._held) or len(plain) == MAX_STEP_BYTES
        self._out += len(plain)
        if self._out > max(FREE_BYTES, self._in * MAX_RATIO):
            raise BadUpstreamResponse("the upstream's compressed answer expands beyond the limit")
        return plain

    def finish(self) -> None:
        """The transfer has ended. Raises BadUpstreamResponse when the compressed body has not."""
        if self._in and (self._z is None or not self._z.eof):
            raise BadUpstreamResponse("the upstream's compressed answer was cut short")


def inflater_for(headers: dict[str, str]) -> Inflater | None:
    """For the body's content-encoding, which is removed from `headers`; None: it is not encoded. Raises BadUpstreamResponse for an
    encoding that the request did not offer.
    """
    encoding = headers.get("content-encoding")
    if encoding is None:
        return None
    name = encoding.strip().lower().removeprefix("x-")
    if name in ("", "identity"):
        return None
    if name not in ("gzip", "deflate"):
        raise BadUpstreamResponse("the upstream's answer has a content-encoding that was not requested", detail=encoding[:100])
    del headers["content-encoding"]
    headers.pop("content-length", None)
    return Inflater(name)


class ResponseBody:
    """The reading half of a `TransportResponse`, over one primitive: `_raw`, the next bytes of the transfer, b"" at its end."""

    __slots__ = ("_inflater",)

    _inflater: Inflater | None
    headers: Mapping[str, str]

    async def _raw(self) -> bytes:
        raise NotImplementedError

    def chunk(self) -> Coroutine[Any, Any, bytes]:
        # One of two coroutines, not one around them: every piece of every stream passes here, and few are compressed.
        return self._raw() if self._inflater is None else self._inflated(self._inflater)

    def flow(self, sink: Sink) -> Coroutine[Any, Any, bytes | None]:  # noqa: ARG002 - not every transport can
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
