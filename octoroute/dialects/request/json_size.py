"""Limits of the number of values and of escapes in a JSON text, checked before it is decoded. Pure.

A decoder holds the interpreter for the whole of one call, which takes long for millions of tiny values or of escaped characters,
and not for large texts. So a large body is looked at in slices, and the interpreter is free between two of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from octoroute.errors import BadRequest

UNSCANNED_BYTES = 256 * 1024
"""A smaller body holds too few values to take long."""
MAX_FIELDS = 1_000
"""At the top of a request; no API has more than sixty. Each unknown one is looked at, and may be named in a warning."""
MAX_VALUES = 320_000
"""In a request. The largest that an API takes are 300,000 numbers, the tokens of texts to embed."""
MAX_BACKSLASHES = 5_000_000
"""In a request. The largest context windows hold three million Chinese characters, each of which may be written as its number."""
_MANY_VALUES = 20_000
"""So many fields at the top would take long; fewer are counted when they are decoded."""
_SLICE_BYTES = 64 * 1024
_STRUCTURE = re.compile(rb"[{}\[\],]")


def check_size(body: bytes) -> None:
    """Raises BadRequest for a body with too many values, too many of them at its top, or too many escapes.

    Any other bytes pass, JSON or not.
    """
    if len(body) <= UNSCANNED_BYTES:
        return
    if len(body) > MAX_BACKSLASHES and _exceeds(body, b"\\", MAX_BACKSLASHES):
        raise BadRequest(
            f"the request body has more than {MAX_BACKSLASHES:,} backslashes; send less text, or UTF-8 without escapes"
        )
    if not _exceeds(body, b",", _MANY_VALUES):
        return
    fields = values = depth = 0
    for piece in _outside_of_texts(body):
        values += piece.count(b",")
        if values > MAX_VALUES:
            raise BadRequest(f"the request body has more than {MAX_VALUES:,} values; send fewer, or send them as text")
        for mark in _STRUCTURE.findall(piece):
            if mark == b",":
                fields += depth == 1
            else:
                depth += 1 if mark in b"{[" else -1
        if fields >= MAX_FIELDS:
            raise BadRequest(f"the request body has more than {MAX_FIELDS:,} fields at its top; at most {MAX_FIELDS:,} are read")


def _exceeds(body: bytes, character: bytes, limit: int) -> bool:
    """Whether the body has the character more than `limit` times, in texts or between them."""
    found = 0
    for at in range(0, len(body), _SLICE_BYTES):
        found += body.count(character, at, at + _SLICE_BYTES)
        if found > limit:
            return True
    return False


def _outside_of_texts(body: bytes) -> Iterator[bytes]:
    """The body without its texts, slice by slice."""
    at, inside = 0, False
    while at < len(body):
        piece = body[at : at + _SLICE_BYTES]
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2 and len(piece) > 1:
            piece = piece[:-1]  # an escape is not cut
        at += len(piece)
        if b"\\" in piece:
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = piece.split(b'"')
        yield b"".join(parts[inside::2])
        inside ^= len(parts) % 2 == 0
