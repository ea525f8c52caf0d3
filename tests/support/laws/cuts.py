"""One stream of bytes in many reads, and short inputs that mean long ones."""

from __future__ import annotations

import itertools
from random import Random


def cut(data: bytes, seed: int) -> list[bytes]:
    """Up to eight pieces, wherever chance of this seed would have them; none is empty."""
    rng = Random(seed)
    places = {0, len(data), *(rng.randrange(len(data) + 1) for _ in range(rng.randrange(8)))}
    return [data[a:b] for a, b in itertools.pairwise(sorted(places))]


def singly(data: bytes, most: int = 200) -> list[bytes]:
    """Byte by byte, the last piece being what is beyond `most` bytes."""
    head = data[:most]
    return [*(head[at : at + 1] for at in range(len(head))), *([data[most:]] if len(data) > most else ())]


def nested(body: bytes) -> bytes:
    r"""`a\0b\0c\0d\0e` is a, b many times, c, d as often, e: depths and lengths that a fuzzer's inputs have no room for."""
    parts = body.split(b"\0", 4)
    if len(parts) < 5:
        return body
    before, opening, middle, closing, after = parts
    times = 1 + 7 * (len(middle) + len(opening)) ** 2 % 1500
    return before + opening * times + middle + closing * times + after
