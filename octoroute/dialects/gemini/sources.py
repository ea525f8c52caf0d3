"""Grounding metadata of Gemini's responses: decoded into citations, encoded from them. Pure.

Google counts places in bytes of UTF-8, within a part, or in a stream within the text of all chunks; events count characters.
Source: https://ai.google.dev/api/generate-content#GroundingMetadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from octoroute.dialects.response.citations import source_file_id
from octoroute.domain.events import SourceCited

Fields = dict[str, Any]
_MAX_SEARCHES = 100
"""How often a text that is not at its place is looked for in one response."""


class GroundingSource(msgspec.Struct):
    """A web page, a place on a map, or a passage of a document."""

    uri: str | None = None
    title: str | None = None
    text: str | None = None


class GroundingChunk(msgspec.Struct, rename="camel"):
    web: GroundingSource | None = None
    maps: GroundingSource | None = None
    retrieved_context: GroundingSource | None = None


class Segment(msgspec.Struct, rename="camel"):
    part_index: int | None = None
    start_index: int | None = None
    end_index: int | None = None
    text: str | None = None


class GroundingSupport(msgspec.Struct, rename="camel"):
    segment: Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class GroundingMetadata(msgspec.Struct, rename="camel"):
    grounding_chunks: list[GroundingChunk] | None = None
    grounding_supports: list[GroundingSupport] | None = None


class RecitedSource(msgspec.Struct, rename="camel"):
    """A source that the text repeats."""

    uri: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class CitationMetadata(msgspec.Struct, rename="camel"):
    citation_sources: list[RecitedSource] | None = None
    citations: list[RecitedSource] | None = None
    """Their name at Vertex AI."""


class GroundingReader:
    """Of one response. The metadata is cumulative, so the last one counts."""

    __slots__ = ("_parts", "_texts", "grounding", "recited")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._parts: list[int] = []
        """Of each part, how many texts came before it."""
        self.grounding: GroundingMetadata | None = None
        self.recited: CitationMetadata | None = None

    def add_part(self, text: str) -> None:
        """`text`: "" for a part without visible text."""
        self._parts.append(len(self._texts))
        if text:
            self._texts.append(text)

    def citations(self) -> Iterable[SourceCited]:
        """At the end of the response."""
        if self.grounding is None and self.recited is None:
            return ()
        data = "".join(self._texts).encode("utf-8", "replace")
        found = [*self._grounded(data), *self._recited(len(data))]
        places = _places(found, lambda start, end: len(data[start:end].decode("utf-8", "ignore")))
        return [msgspec.structs.replace(cited, start=places[cited.start], end=places[cited.end]) for cited in found]

    def _grounded(self, data: bytes) -> Iterator[SourceCited]:
        """With places in bytes. Sources that support no place come last."""
        if self.grounding is None:
            return
        sources = [_source(chunk) for chunk in self.grounding.grounding_chunks or ()]
        used: set[int] = set()
        finder = _SegmentFinder(data, self._part_start)
        for support in self.grounding.grounding_supports or ():
            start, end = finder.find(support.segment)
            for at in support.grounding_chunk_indices or ():
                source = sources[at] if 0 <= at < len(sources) else None
                if source is not None:
                    used.add(at)
                    yield msgspec.structs.replace(source, start=start, end=end)
        for at, source in enumerate(sources):
            if source is not None and at not in used:
                yield source

    def _recited(self, size: int) -> Iterator[SourceCited]:
        recited = self.recited
        for source in (recited.citation_sources or recited.citations or ()) if recited is not None else ():
            if source.uri:
                start, end = (min(size, max(0, at or 0)) for at in (source.start_index, source.end_index))
                yield SourceCited(source.uri, source.title or "", start=start, end=max(start, end))

    def _part_start(self, part: int) -> int:
        """In bytes."""
        before = self._parts[part] if 0 <= part < len(self._parts) else 0
        return sum(len(text.encode("utf-8", "replace")) for text in self._texts[:before])


class _SegmentFinder:
    """Finds segments in the bytes of the text: where they say, from the text's or their part's beginning, else by their words."""

    def __init__(self, data: bytes, part_start: Any) -> None:
        self._data = data
        self._part_start = part_start
        self._starts: dict[int, int] = {}
        self._last = 0
        self._searches = _MAX_SEARCHES

    def find(self, segment: Segment | None) -> tuple[int, int]:
        """(start, end) in bytes; (0, 0) if it is not there."""
        if segment is None:
            return 0, 0
        words = (segment.text or "").encode("utf-8", "replace")
        start, end = max(0, segment.start_index or 0), segment.end_index or 0
        for base in self._bases(segment.part_index or 0):
            if base + start < base + end <= len(self._data) and (not words or self._data.startswith(words, base + start)):
                self._last = base + end
                return base + start, base + end
        if words and self._searches:
            self._searches -= 1
            at = self._data.find(words, self._last)
            if at >= 0:
                self._last = at + len(words)
                return at, self._last
        return 0, 0

    def _bases(self, part: int) -> Iterator[int]:
        yield 0
        if part:
            if part not in self._starts and len(self._starts) < _MAX_SEARCHES:
                self._starts[part] = self._part_start(part)
            yield self._starts.get(part, 0)


def _source(chunk: GroundingChunk) -> SourceCited | None:
    source = chunk.web or chunk.maps or chunk.retrieved_context
    if source is None or not (source.uri or source.title):
        return None
    uri = source.uri or ""
    is_web = uri.startswith(("https://", "http://"))
    return SourceCited(uri if is_web else "", source.title or "", source.text or "", file_id="" if is_web else uri)


def _places(cited: Sequence[SourceCited], length: Callable[[int, int], int]) -> Mapping[int, int]:
    """The places that are cited, in the other unit. `length`: of what lies between two places, in that unit."""
    found = {0: 0}
    last = total = 0
    for place in sorted({at for source in cited for at in (source.start, source.end)}):
        total += length(last, place)
        last = place
        found[place] = total
    return found


class GroundingWriter:
    """Of one response."""

    __slots__ = ("_cited", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._cited: list[SourceCited] = []

    def add_text(self, text: str) -> None:
        self._texts.append(text)

    def add(self, cited: SourceCited) -> None:
        self._cited.append(cited)

    def metadata(self) -> Fields | None:
        """None: nothing was cited."""
        if not self._cited:
            return None
        text = "".join(self._texts)
        places = _places(self._cited, lambda start, end: len(text[start:end].encode("utf-8", "replace")))
        chunks: dict[tuple[str, str, str], int] = {}
        supports: dict[tuple[int, int], list[int]] = {}
        for cited in self._cited:
            number = chunks.setdefault((cited.url or source_file_id(cited), cited.title, cited.quote), len(chunks))
            if cited.start < cited.end <= len(text):
                supports.setdefault((cited.start, cited.end), []).append(number)
        metadata: Fields = {"groundingChunks": [_chunk(uri, title, quote) for uri, title, quote in chunks]}
        if supports:
            metadata["groundingSupports"] = [
                {
                    "segment": {"startIndex": places[start], "endIndex": places[end], "text": text[start:end]},
                    "groundingChunkIndices": list(dict.fromkeys(numbers)),
                }
                for (start, end), numbers in supports.items()
            ]
        return metadata


def _chunk(uri: str, title: str, quote: str) -> Fields:
    """Only a document's chunk has room for the passage."""
    if uri.startswith(("https://", "http://")):
        return {"web": {"uri": uri, "title": title or uri}}
    return {"retrievedContext": {"uri": uri, "title": title or uri, **({"text": quote} if quote else {})}}
