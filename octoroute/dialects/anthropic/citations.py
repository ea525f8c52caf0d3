"""Citations of a Messages text block: decoded, encoded, and a text cut into the blocks that they need. Pure.

Source: https://docs.anthropic.com/en/docs/build-with-claude/citations. A citation is for the whole of its block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from octoroute.dialects.request.thinking_signatures import MARK, mark_signature
from octoroute.dialects.response.citations import read_source
from octoroute.domain.events import SourceCited

Fields = dict[str, Any]
_PAGE = "web_search_result_location"


class Citation(msgspec.Struct):
    """Any citation; `type` decides which of the fields apply."""

    type: str = ""
    cited_text: str | None = None
    url: str | None = None
    source: str | None = None
    title: str | None = None
    document_title: str | None = None
    document_index: int | None = None
    file_id: str | None = None
    start_char_index: int | None = None
    end_char_index: int | None = None
    start_page_number: int | None = None
    end_page_number: int | None = None
    start_block_index: int | None = None
    end_block_index: int | None = None


_CITATION = msgspec.json.Decoder(Citation)
_NAMES = {
    "char": ("char_location", "start_char_index", "end_char_index"),
    "page": ("page_location", "start_page_number", "end_page_number"),
    "block": ("content_block_location", "start_block_index", "end_block_index"),
}
_UNITS = {type: unit for unit, (type, _, _) in _NAMES.items()}


def decode_citation(value: Any) -> SourceCited | None:
    """Without its place in the text, which is that of its block. None: it is not a citation."""
    found = read_source(value, _CITATION)
    if found is None or not found.type:
        return None
    place: tuple[str, int, int] | None = None
    unit = _UNITS.get(found.type)
    if unit is not None:
        _, start, end = _NAMES[unit]
        place = (unit, getattr(found, start) or 0, getattr(found, end) or 0)
    return SourceCited(
        url=found.url or found.source or "",
        title=found.title or found.document_title or "",
        quote=found.cited_text or "",
        document=found.document_index,
        place=place,
        file_id=found.file_id or "",
    )


def encode_citation(cited: SourceCited) -> Fields:
    """With a mark on what only its maker could verify, so that it never goes to Anthropic."""
    if cited.url:
        index = mark_signature("", "source", None)
        return {"type": _PAGE, "url": cited.url, "title": cited.title or None, "cited_text": cited.quote, "encrypted_index": index}
    unit, first, last = cited.place or ("char", 0, len(cited.quote))
    type, start, end = _NAMES[unit]
    return {
        "type": type,
        "cited_text": cited.quote,
        "document_index": cited.document or 0,
        "document_title": cited.title or None,
        "file_id": f"{MARK}file.{cited.file_id}" if cited.file_id or cited.document is None else None,
        start: first,
        end: last,
    }


def cut_text(text: str, citations: Sequence[SourceCited], offset: int) -> list[tuple[str, list[Fields]]]:
    """The text in pieces, each with its citations. `offset`: of the text in the response.

    Citations that overlap share a piece; one without a place belongs to the last piece. White space alone is no piece, because
    Anthropic refuses a history with blank text.
    """
    pieces: list[tuple[str, list[Fields]]] = []
    loose: list[Fields] = []
    at = start = end = 0
    known: list[Fields] = []
    for cited in sorted(citations, key=lambda cited: (cited.start, cited.end)):
        first, last = (min(len(text), max(0, place - offset)) for place in (cited.start, cited.end))
        if first >= last:
            loose.append(encode_citation(cited))
            continue
        if known and first >= end:
            pieces += [(text[at:start], []), (text[start:end], known)]
            at, known = end, []
        if not known:
            start = first
        end = max(end, last)
        known.append(encode_citation(cited))
    if known:
        pieces += [(text[at:start], []), (text[start:end], known)]
        at = end
    return _visible([*pieces, (text[at:], [])], loose)


def _visible(pieces: Sequence[tuple[str, list[Fields]]], loose: Sequence[Fields]) -> list[tuple[str, list[Fields]]]:
    """The pieces, with white space joined to a neighbour; `loose`: further citations, for the last one."""
    found: list[tuple[str, list[Fields]]] = []
    blank, waiting = "", list[Fields]()
    for text, citations in pieces:
        if text.strip():
            found.append((blank + text, [*waiting, *citations]))
            blank, waiting = "", []
        elif found:
            last, earlier = found[-1]
            found[-1] = (last + text, [*earlier, *citations])
        else:
            blank += text
            waiting += citations
    if found and loose:
        text, citations = found[-1]
        found[-1] = (text, [*citations, *loose])
    return found
