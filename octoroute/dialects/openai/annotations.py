"""Citations as the annotations of a Chat Completions message, and as lists of sources beside the message. Pure.

Sources: https://platform.openai.com/docs/guides/tools-web-search, OpenRouter's "Web Search", Perplexity's "Chat Completions".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from octoroute.dialects.response.citations import source_link
from octoroute.domain.events import SourceCited


class UrlCitation(msgspec.Struct):
    url: str = ""
    title: str | None = None
    content: str | None = None
    """OpenRouter: the passage."""
    start_index: int | None = None
    end_index: int | None = None


class Annotation(UrlCitation):
    """Some servers send the fields of the citation in the annotation itself."""

    type: str = ""
    url_citation: UrlCitation | None = None


class SearchResult(msgspec.Struct):
    url: str = ""
    title: str | None = None
    snippet: str | None = None


def decode_annotations(annotations: Sequence[Annotation]) -> Iterator[SourceCited]:
    """Annotations that are no citations are skipped."""
    for annotation in annotations:
        cited = annotation.url_citation or annotation
        if cited.url and annotation.type in {"", "url_citation"}:
            start, end = cited.start_index or 0, cited.end_index or 0
            yield SourceCited(cited.url, cited.title or "", cited.content or "", max(0, start), max(0, start, end))


def decode_source_list(search_results: Sequence[SearchResult] | None, urls: Sequence[str] | None) -> Iterator[SourceCited]:
    """Perplexity's sources of the whole text, without places; the markers in the text number them."""
    results = [result for result in search_results or () if result.url]
    for result in results:
        yield SourceCited(result.url, result.title or "", result.snippet or "")
    if not results:
        for url in urls or ():
            yield SourceCited(url)


def encode_annotation(cited: SourceCited) -> dict[str, object]:
    link = source_link(cited)
    place = {"start_index": cited.start, "end_index": cited.end}
    inner: dict[str, object] = {"url": link, "title": cited.title or link, **place}
    if cited.quote:
        inner["content"] = cited.quote  # OpenRouter's field
    return {"type": "url_citation", "url_citation": inner}
