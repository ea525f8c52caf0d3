"""What must hold whatever bytes arrive, one law for each kind of reader. Fuzzers and the ordinary suite look for what breaks them.

A law takes any bytes and returns, or raises for what it found. Its first byte says how the rest is served (which dialect, which
cuts), so that one corpus serves a whole law. Seeds are inputs worth starting from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from tests.support.laws import answers, bodies, configuration, requests, schemas, streams, wire


class Law(NamedTuple):
    check: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    words: tuple[bytes, ...]
    """Tokens of the format, which chance alone would take long to spell."""


LAWS: Mapping[str, Law] = {
    name: Law(module.check, module.seeds, module.WORDS)
    for name, module in {
        "streams": streams,
        "answers": answers,
        "http": wire,
        "requests": requests,
        "schemas": schemas,
        "bodies": bodies,
        "configuration": configuration,
    }.items()
}
