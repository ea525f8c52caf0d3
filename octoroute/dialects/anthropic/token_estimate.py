"""Estimates the input tokens of a request: `count_tokens` for endpoints that cannot count. Pure.

Text is counted by words, images by pixels, documents by pages, schemas as text. The estimate is rather too high, because a request
that fits by the estimate must fit the context window. The caller passes a factor per model, learned from reported usage.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterator

import msgspec

from octoroute.dialects.request.media import PDF
from octoroute.domain.conversation import (
    Audio,
    Block,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

MESSAGE_TOKENS = 3
"""Per message."""
TOOL_TOKENS = 12
TOOLS_PREAMBLE_TOKENS = 340
"""Added once if there are tools: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview."""
MAX_IMAGE_TOKENS = 1600
"""Also used for an image of unknown size."""
MAX_EDGE_PIXELS = 1568
PIXELS_PER_TOKEN = 750
"""An image is scaled to the largest edge and costs width * height / 750: https://docs.anthropic.com/en/docs/build-with-claude/vision."""
PDF_PAGE_TOKENS = 2000
BYTES_PER_PDF_PAGE = 60_000
"""Used if the pages cannot be counted."""
_IMAGE_HEAD_CHARS = 64 * 1024
"""Base64 characters of an image that are searched for its size."""

MAX_COUNTED_CHARS = 200_000
"""Counting takes 0.2 µs a character; the rest of a longer text is taken to be like the part that is counted."""

_WORDS = re.compile(r"[A-Za-z]+|[0-9]+|\n+|[^\sA-Za-z0-9]")
_LETTERS_PER_TOKEN = 7
_DIGITS_PER_TOKEN = 3
_PAGE = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")


def estimate_tokens(conversation: Conversation, factor: float = 1.0) -> int:
    """Estimated input tokens times `factor`, at least 1."""
    tokens = sum(count_text(block.text) for block in conversation.system)
    for turn in conversation.turns:
        tokens += MESSAGE_TOKENS + sum(_count_block(block) for block in turn.content)
    if conversation.tools:
        tokens += TOOLS_PREAMBLE_TOKENS
        for tool in conversation.tools:
            tokens += TOOL_TOKENS + count_text(tool.name) + count_text(tool.description or "") + count_text(_json(tool.schema))
    if conversation.format is not None and conversation.format.schema is not None:
        tokens += count_text(_json(conversation.format.schema))
    return max(1, round(tokens * factor))


def count_text(text: str) -> int:
    """Count a token per seven letters of a word, per three digits, per other character, and per run of line ends.

    Of a longer text than MAX_COUNTED_CHARS a third each of that is counted from the start, the middle, and the end.
    """
    if len(text) > MAX_COUNTED_CHARS:
        third = MAX_COUNTED_CHARS // 3
        middle = (len(text) - third) // 2
        sample = (text[:third], text[middle : middle + third], text[-third:])
        return round(sum(map(count_text, sample)) * len(text) / (3 * third))
    tokens = 0
    for word in _WORDS.findall(text):
        if word.isascii() and word.isalpha():
            tokens += -(-len(word) // _LETTERS_PER_TOKEN)
        elif word.isdigit():
            tokens += -(-len(word) // _DIGITS_PER_TOKEN)
        else:
            tokens += 1
    return tokens


def _count_block(block: Block) -> int:
    match block:
        case Text(text=text) | Thinking(text=text):
            return count_text(text)
        case Image():
            return image_tokens(block)
        case Document():
            return document_tokens(block)
        case ToolCall(name=name, arguments=arguments):
            return TOOL_TOKENS + count_text(name) + count_text(arguments)
        case ToolResult(content=content):
            return TOOL_TOKENS + sum(_count_block(part) for part in content)
        case Audio(data=data) | RedactedThinking(data=data):
            return len(data) // 100


def image_tokens(image: Image) -> int:
    size = _read_image_size(image.data) if image.data else None
    if size is None:
        return MAX_IMAGE_TOKENS
    width, height = size
    scale = min(1.0, MAX_EDGE_PIXELS / max(width, height, 1))
    return min(MAX_IMAGE_TOKENS, max(1, round(width * scale * height * scale / PIXELS_PER_TOKEN)))


def document_tokens(document: Document) -> int:
    named = count_text(document.title or "") + count_text(document.context or "")
    if document.text is not None:
        return named + count_text(document.text)
    if document.data is None:
        return named + PDF_PAGE_TOKENS
    if document.media_type != PDF:
        return named + len(document.data) * 3 // 16
    data = _decode_base64(document.data)
    pages = len(_PAGE.findall(data)) or -(-len(data) // BYTES_PER_PDF_PAGE) or 1
    return named + pages * PDF_PAGE_TOKENS


def _json(schema: object) -> str:
    return msgspec.json.encode(schema).decode() if schema else ""


def _decode_base64(data: str) -> bytes:
    try:
        return base64.b64decode(data[: len(data) // 4 * 4])
    except (binascii.Error, ValueError):
        return b""


def _read_image_size(data: str) -> tuple[int, int] | None:
    """(width, height) in pixels, read from the head of the file; None if not found there."""
    head = _decode_base64(data[:_IMAGE_HEAD_CHARS])
    try:
        if head.startswith(b"\x89PNG"):
            return struct.unpack(">II", head[16:24])
        if head.startswith(b"GIF8"):
            return struct.unpack("<HH", head[6:10])
        if head.startswith(b"\xff\xd8"):
            return next(_jpeg_sizes(head), None)
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return _webp_size(head)
    except (struct.error, IndexError):
        pass
    return None


def _jpeg_sizes(head: bytes) -> Iterator[tuple[int, int]]:
    """(width, height) of each frame header: markers SOF0 to SOF15 without DHT, JPG, and DAC."""
    at = 2
    while at + 9 < len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            yield width, height
        at += 2 + struct.unpack(">H", head[at + 2 : at + 4])[0]


def _webp_size(head: bytes) -> tuple[int, int] | None:
    match head[12:16]:
        case b"VP8X":
            return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
        case b"VP8 ":
            width, height = struct.unpack("<HH", head[26:30])
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case _:
            return None
