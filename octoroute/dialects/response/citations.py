"""The citations of a response, as far as formats share them. Pure.

Positions are in characters of the response's text. Each format's own form of a citation is in that format's folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from octoroute.dialects.response.lenient_json import read_leniently
from octoroute.domain.events import Event, SourceCited

T = TypeVar("T")


def read_source(value: Any, decoder: msgspec.json.Decoder[T]) -> T | None:
    """`value`, as decoded from JSON, as the decoder's type, without the fields that do not fit; None: nothing of it does."""
    try:
        return read_leniently(decoder, msgspec.json.encode(value))
    except (ValueError, RecursionError):
        return None


def source_link(cited: SourceCited) -> str:
    """An address for formats in which every source has one. A document has none of its own, so it becomes a fragment."""
    return cited.url or f"#{source_file_id(cited)}"


def name_source(cited: SourceCited) -> str:
    """In Markdown, for a citation that comes after its text has ended."""
    link = source_link(cited)
    return f"[{cited.title or link}]({link})"


def source_file_id(cited: SourceCited) -> str:
    return cited.file_id or f"document-{(cited.document or 0) + 1}"


class BlockCitations:
    """Citations that a format gives for a whole block of text: their places are known when the block ends. One per response."""

    __slots__ = ("_found", "_start", "chars")

    def __init__(self) -> None:
        self._found: list[SourceCited] = []
        self._start = 0
        self.chars = 0
        """Of the response's text so far; the decoder counts them."""

    def add(self, cited: SourceCited | None) -> None:
        if cited is not None:
            self._found.append(cited)

    def close(self) -> Sequence[Event]:
        """The citations of the block that ends here; the next one begins here."""
        start, self._start = self._start, self.chars
        if not self._found:
            return ()
        found = [msgspec.structs.replace(cited, start=start, end=self.chars) for cited in self._found]
        self._found.clear()
        return found
