"""Citations as the annotations of a Responses text part. Pure.

Source: https://platform.openai.com/docs/api-reference/responses/object. Positions count from the beginning of the part.
"""

from __future__ import annotations

from typing import Any

import msgspec

from octoroute.dialects.response.citations import read_source, source_file_id
from octoroute.domain.events import SourceCited


class TextAnnotation(msgspec.Struct):
    """Any annotation; `type` decides which of the fields apply."""

    type: str = ""
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None
    index: int | None = None
    file_id: str | None = None
    filename: str | None = None


_ANNOTATION = msgspec.json.Decoder(TextAnnotation)


def decode_annotation(value: Any, offset: int = 0) -> SourceCited | None:
    """`offset`: of the part. None: an annotation without a source."""
    found = read_source(value, _ANNOTATION)
    if found is None or not (found.url or found.file_id):
        return None
    start, end = found.start_index, found.end_index
    if found.index is not None and found.type != "url_citation":
        start = end = found.index
    placed = bool(end)
    return SourceCited(
        url=found.url or "",
        title=found.title or found.filename or "",
        start=offset + max(0, start or 0) if placed else 0,
        end=offset + max(0, start or 0, end or 0) if placed else 0,
        file_id=found.file_id or "",
    )


def encode_annotation(cited: SourceCited, offset: int = 0) -> dict[str, object]:
    start, end = (max(0, at - offset) if cited.end else 0 for at in (cited.start, cited.end))
    if cited.url:
        title = cited.title or cited.url
        return {"type": "url_citation", "url": cited.url, "title": title, "start_index": start, "end_index": end}
    file_id = source_file_id(cited)
    return {"type": "file_citation", "file_id": file_id, "filename": cited.title or file_id, "index": end}
