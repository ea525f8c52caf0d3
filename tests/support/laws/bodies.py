"""Bodies of requests that are not JSON, or not yet: forms of several parts, and what has a content coding."""

from __future__ import annotations

import asyncio
import gzip
import re
import sys
import zlib
from collections.abc import Iterator

from octoroute.dialects.request.multipart import MAX_PARTS, MultipartBody, boundary_of
from octoroute.errors import BadRequest, TooLarge, WrongMediaType
from octoroute.server.decompression import decode_body

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

WORDS = (
    b"--x\r\n", b"\r\n--x\r\n", b"\r\n--x--", b"--x--\r\n", b'content-disposition: form-data; name="', b'"; filename="a.png"\r\n', b"\r\n\r\n", b'name="model"',
    b"name=model", b"name*=utf-8''a", b'\\"', b"content-type: image/png\r\n", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\x28\xb5\x2f\xfd", b"\x78\x9c", b"\x50\x2a\x4d\x18",
)  # fmt: skip
CODINGS = ("gzip", "deflate", "zstd", "gzip, deflate", "zstd, gzip", "identity, x-gzip", "gzip, gzip, gzip")
BOUNDARY = b"x"
LIMIT = 300_000
"""Of what comes out of a coding."""
MODEL = "new"


def check(data: bytes) -> None:
    """The first byte: a form, the header of one, or the coding of the rest."""
    if data:
        _form(data[1:])
        _header(data[1:])
        _coding(data[1:], CODINGS[data[0] % len(CODINGS)])


def seeds() -> Iterator[bytes]:
    head = b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    image = head % (b"image", b'; filename="a.png"\r\nContent-Type: image/png', b"\x89PNG\r\n--y\r\n")
    for form in (head % (b"model", b"", b"auto") + image, image, image + head % (b"model", b"", b"a") * 2, b"preamble\r\n" + image):
        yield b"\0" + form + b"--x--\r\n"
    yield b'\0multipart/form-data; charset=utf-8; boundary="a b"'
    yield b"\0multipart/form-data;boundary=abc"
    text = b'{"model":"m"}' * 20
    packed = zlib.compress(text)
    squeezed, frame = gzip.compress(text, mtime=0), zstd.compress(text)
    for at, body in ((0, squeezed), (0, squeezed * 2), (1, packed), (1, packed[2:-4]), (2, frame), (2, frame * 2)):
        yield bytes([at]) + body
    yield b"\3" + zlib.compress(squeezed)
    yield b"\4" + gzip.compress(frame, mtime=0)
    yield b"\6" + gzip.compress(gzip.compress(squeezed, mtime=0), mtime=0)
    yield b"\0" + gzip.compress(bytes(2 * LIMIT), mtime=0)
    yield b"\2" + zstd.compress(bytes(2 * LIMIT))


def _form(raw: bytes) -> None:
    """Its parts are in it, one after another; with another model nothing else is another."""
    try:
        form = MultipartBody.parse(raw, BOUNDARY)
    except BadRequest as error:
        assert error.message
        return
    assert len(form.parts) <= MAX_PARTS
    ends = [0, *(place for part in form.parts for place in (part.start, part.end)), len(raw)]
    assert ends == sorted(ends)
    try:
        given = form.text("model")
    except BadRequest:
        return
    changed = MultipartBody.parse(form.with_model(MODEL), BOUNDARY)
    assert changed.text("model") == MODEL
    assert _values(changed) == _values(form)
    if given is not None:
        assert form.with_model(given) == raw


def _values(form: MultipartBody) -> list[tuple[str, bytes]]:
    return [(part.name, form.raw[part.start : part.end]) for part in form.parts if part.name != "model"]


def _header(value: bytes) -> None:
    try:
        found = boundary_of(value.decode("latin-1"))
    except BadRequest as error:
        assert error.message
        return
    assert found is None or (found and found in value)


def _coding(body: bytes, coding: str) -> None:
    """Within the limit, or refused; and what one decoder after the other makes of it, where that is simple."""
    try:
        decoded = asyncio.run(decode_body(body, {"content-encoding": coding}, LIMIT))
    except (BadRequest, TooLarge, WrongMediaType) as error:
        assert error.message
        assert re.search(r"content-encoding|limit", error.message)
        return
    assert len(decoded) <= LIMIT
    if coding == "gzip":
        assert decoded == gzip.decompress(body)
