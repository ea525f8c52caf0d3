"""Request bodies in a content coding (RFC 9110, 8.4): gzip, deflate, and zstd, decoded within a limit of bytes and of time.

The limit counts what comes out. Decoding stops there, so a small body that would become a large one costs no more than the limit;
between two slices of it other requests are served.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from octoroute.errors import BadRequest, TooLarge, WrongMediaType

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ACCEPTED = "gzip, deflate, zstd"
MAX_CODINGS = 3
"""In one request. No client needs more than one; each further one multiplies the work of a small body."""
MAX_WINDOW_LOG = 23
"""Of zstd: 8 MiB of memory, the largest window that a sender of HTTP may use (RFC 9659)."""
_INPUT_BYTES = 16 * 1024
_OUTPUT_BYTES = 256 * 1024
"""Of one step of a decoder: well under a millisecond."""
_SLICE_BYTES = 512 * 1024
"""Of output or input, after which other tasks run."""
_STEP_BYTES = 1024
"""What a step counts for at least, because a step that yields nothing takes time, too."""
MAX_MEMBERS = 4096
"""gzip members or zstd frames of one body: each costs work that no limit of output bounds."""


class Decompressor(Protocol):
    """One gzip member, zlib stream, or zstd frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class CodingError(Exception):
    """The body is not valid in the coding that `content-encoding` names."""


async def decode_body(body: bytes, headers: Mapping[str, str], limit: int) -> bytes:
    """The body without its content codings. Raises WrongMediaType for an unknown coding, TooLarge, and BadRequest."""
    for name in reversed(codings_of(headers["content-encoding"])):
        pieces: list[bytes] = []
        size = since_pause = 0
        try:
            for piece in _decode(body, name):
                size += len(piece)
                since_pause += max(len(piece), _STEP_BYTES)
                if size > limit:
                    raise TooLarge(f"the request body exceeds the limit of {limit} bytes once its {name} coding is removed")
                pieces.append(piece)
                if since_pause >= _SLICE_BYTES:
                    since_pause = 0
                    await asyncio.sleep(0)
        except CodingError:
            raise BadRequest(f"content-encoding: the request body is not valid {name}, or it is incomplete") from None
        body = b"".join(pieces)
    return body


def beginning(body: bytes, coding: str, limit: int) -> bytes:
    """At most `limit` bytes of the content, as far as the beginning of a body has them; empty if it cannot be decoded at all."""
    try:
        for name in reversed(codings_of(coding)):
            pieces: list[bytes] = []
            try:
                for piece in _decode(body, name):
                    pieces.append(piece)
                    if sum(map(len, pieces)) >= limit:
                        break
            except CodingError:
                pass  # the beginning of a body has no end
            body = b"".join(pieces)[:limit]
    except WrongMediaType:
        return b""
    return body


def codings_of(value: str) -> list[str]:
    """The codings in the order in which they were applied, `identity` left out. Raises WrongMediaType naming an unknown one."""
    names = [name for part in value.split(",") if (name := part.strip().lower()) not in {"", "identity"}]
    unknown = next((name for name in names if name not in _DECODERS), None)
    if unknown is not None or len(names) > MAX_CODINGS:
        problem = f"the coding {unknown[:40]!r} is not supported" if unknown is not None else f"more than {MAX_CODINGS} codings"
        error = WrongMediaType(f"content-encoding: {problem}; send {ACCEPTED}, or the body as it is")
        error.headers["accept-encoding"] = ACCEPTED
        raise error
    return names


def _decode(body: bytes, coding: str) -> Iterator[bytes]:
    """The content in pieces of bounded size. Raises CodingError. A body may be several gzip members or zstd frames."""
    make = _DECODERS[coding](body)
    decoder, is_open, members = make(), False, 1
    for at in range(0, len(body), _INPUT_BYTES):
        data = body[at : at + _INPUT_BYTES]
        while True:
            is_open = True
            try:
                piece = decoder.decompress(data, _OUTPUT_BYTES)
            except (zlib.error, zstd.ZstdError):
                raise CodingError from None
            yield piece
            if decoder.eof:
                data, is_open = decoder.unused_data, False
                decoder, members = make(), members + 1
                if members > MAX_MEMBERS or (data and coding == "deflate"):
                    raise CodingError
            else:
                data = getattr(decoder, "unconsumed_tail", b"")
            if not data and len(piece) < _OUTPUT_BYTES:
                break
    if is_open or not body:
        raise CodingError


def _gzip(body: bytes) -> Callable[[], Decompressor]:
    del body
    return lambda: zlib.decompressobj(16 + zlib.MAX_WBITS)


def _deflate(body: bytes) -> Callable[[], Decompressor]:
    """The zlib format, or a bare deflate stream, which many senders mean by this name (RFC 9110, 8.4.1.2)."""
    is_zlib = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return lambda: zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)


def _zstd(body: bytes) -> Callable[[], Decompressor]:
    del body
    return lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG})


_DECODERS: Mapping[str, Callable[[bytes], Callable[[], Decompressor]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}
