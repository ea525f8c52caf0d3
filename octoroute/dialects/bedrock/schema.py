"""What is read of Bedrock's responses: Converse's body, and the events of ConverseStream.

Source: Amazon Bedrock Runtime API, Converse and ConverseStream. Unknown members, such as the padding `p` of events, are ignored.
"""

from __future__ import annotations

from typing import Any

import msgspec

from octoroute.dialects.response.usage import AnthropicUsage, Count
from octoroute.domain.events import SourceCited
from octoroute.domain.outcome import Usage


class ReasoningText(msgspec.Struct):
    text: str | None = None
    signature: str | None = None


class Reasoning(msgspec.Struct, rename="camel"):
    """Of a block `reasoning_text`, of a delta `text` or `signature`; of both `redacted_content`, in base64."""

    reasoning_text: ReasoningText | None = None
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class ToolUse(msgspec.Struct, rename="camel"):
    """Of a delta, `input` is a fragment of JSON text in a JSON string."""

    tool_use_id: str | None = None
    name: str | None = None
    type: str | None = None
    """`server_tool_use`: it ran at the server."""
    input: msgspec.Raw = msgspec.Raw(b"")


class ImageSource(msgspec.Struct):
    bytes: str | None = None


class ImageBlock(msgspec.Struct):
    format: str = "png"
    source: ImageSource | None = None


class PassageText(msgspec.Struct):
    text: str | None = None


class WebPage(msgspec.Struct):
    url: str | None = None


class Passage(msgspec.Struct, rename="camel"):
    document_index: int | None = None
    start: int | None = None
    end: int | None = None


class SourceLocation(msgspec.Struct, rename="camel"):
    web: WebPage | None = None
    document_char: Passage | None = None
    document_page: Passage | None = None
    document_chunk: Passage | None = None


class ConverseCitation(msgspec.Struct, rename="camel"):
    title: str | None = None
    source: str | None = None
    source_content: list[PassageText] | None = None
    location: SourceLocation | None = None

    def cited(self) -> SourceCited:
        """Without its place in the text, which is that of its block."""
        location = self.location or SourceLocation()
        passage, unit = location.document_char, "char"
        if passage is None:
            passage, unit = (location.document_page, "page") if location.document_page else (location.document_chunk, "block")
        url = (location.web.url if location.web is not None else None) or self.source or ""
        return SourceCited(
            url=url if url.startswith(("https://", "http://")) else "",
            title=self.title or "",
            quote="".join(part.text or "" for part in self.source_content or ()),
            document=passage.document_index if passage is not None else None,
            place=(unit, passage.start or 0, passage.end or 0) if passage is not None else None,
        )


class CitationsContent(msgspec.Struct):
    content: list[PassageText] | None = None
    citations: list[ConverseCitation] | None = None


class ConverseBlock(msgspec.Struct, rename="camel"):
    """A block, the start of one, or a delta of one."""

    text: str | None = None
    tool_use: ToolUse | None = None
    reasoning_content: Reasoning | None = None
    image: ImageBlock | None = None
    citations_content: CitationsContent | None = None
    citation: ConverseCitation | None = None
    """Of a delta."""


class TokenUsage(msgspec.Struct, rename="camel"):
    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_write_input_tokens: Count = None

    def usage(self) -> Usage:
        """The input that was read from or written to the cache is not in `input_tokens`."""
        return AnthropicUsage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cache_read_input_tokens=self.cache_read_input_tokens,
            cache_creation_input_tokens=self.cache_write_input_tokens,
        ).usage()


class ResponseMessage(msgspec.Struct):
    content: list[ConverseBlock] | None = None


class Output(msgspec.Struct):
    message: ResponseMessage | None = None


class ModelFields(msgspec.Struct):
    stop_sequence: Any = None

    @property
    def stopped_by(self) -> str | None:
        return self.stop_sequence if isinstance(self.stop_sequence, str) else None


class ConverseResponse(msgspec.Struct, rename="camel"):
    output: Output | None = None
    stop_reason: str | None = None
    usage: TokenUsage | None = None
    additional_model_response_fields: ModelFields | None = None


class ConverseEvent(msgspec.Struct, rename="camel"):
    """The members of all events; the header `:event-type` says which one it is."""

    content_block_index: int = 0
    start: ConverseBlock | None = None
    delta: ConverseBlock | None = None
    stop_reason: str | None = None
    usage: TokenUsage | None = None
    additional_model_response_fields: ModelFields | None = None
    message: str | None = None
