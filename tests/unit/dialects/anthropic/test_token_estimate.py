"""Estimated input tokens of images, documents, and text."""

from __future__ import annotations

import base64
import json
import struct

import pytest

from octoroute.dialects.anthropic.request_decoder import decode_request
from octoroute.dialects.anthropic.token_estimate import count_text, document_tokens, estimate_tokens, image_tokens
from octoroute.domain.conversation import Document, Image
from tests.support.dialects.messages_inbound import USER


def png(width, height):
    return base64.b64encode(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height)).decode()


def jpeg(width, height):
    exif = b"\xff\xe1" + struct.pack(">H", 10) + b"x" * 8
    return base64.b64encode(b"\xff\xd8" + exif + b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + b"x" * 12).decode()


@pytest.mark.parametrize(
    ("width", "height", "tokens"), [(200, 200, 54), (1000, 1000, 1334), (1092, 1092, 1590), (4000, 2000, 1600)]
)
@pytest.mark.parametrize("file", [png, jpeg])
def test_p106_images_by_their_size(file, width, height, tokens):
    """Anthropic's own examples."""
    assert abs(image_tokens(Image(media_type="image/x", data=file(width, height))) - tokens) <= 0.15 * tokens


def test_p106_images_that_do_not_tell_their_size():
    for data in ("", "AAAA", "!!!!", base64.b64encode(b"\xff\xd8\xff").decode(), base64.b64encode(b"RIFFxxxxWEBPVP8X").decode()):
        assert image_tokens(Image(media_type="image/png", data=data)) > 0
    assert image_tokens(Image(url="https://x/y")) == 1600


def test_p106_documents_by_their_pages():
    pdf = base64.b64encode(b"%PDF-1.7 /Type /Pages /Kids [] /Type /Page x /Type/Page y").decode()
    assert document_tokens(Document(media_type="application/pdf", data=pdf)) == 4000
    assert document_tokens(Document(media_type="application/pdf", data="!!")) == 2000


def test_p106_everything_is_counted():
    body = {"model": "m", "max_tokens": 1, "messages": [USER]}
    tool = {
        "name": "read_file",
        "description": "Read a file " * 5,
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
    }
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png(1000, 1000)}}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"path": "/a/long/path/to/a/file"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "word " * 50}, image]}
    richer = [
        {"system": "You are a careful assistant. " * 10},
        {"tools": [tool] * 40},
        {"messages": [USER, {"role": "system", "content": "be brief " * 10}]},
        {"messages": [{"role": "user", "content": [document]}]},
        {"messages": [{"role": "user", "content": [image]}]},
        {"messages": [USER, {"role": "assistant", "content": [call]}]},
        {"messages": [USER, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]},
        {"messages": [USER, {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm " * 30, "signature": "s"}]}]},
    ]
    plain = estimate_tokens(decode_request(json.dumps(body).encode()))
    counts = [estimate_tokens(decode_request(json.dumps(body | more).encode())) for more in richer]
    assert all(count > plain + 10 for count in counts)
    assert counts[1] > 40 * 30 and counts[4] > 1300 and counts[6] > counts[5] + 1300 + 50


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The quick brown fox jumps over the lazy dog.", 10),
        ("Hello, world!", 4),
        ("def add(a, b):\n    return a + b\n", 14),
        ('{"name": "John", "age": 30, "city": "New York"}', 22),
    ],
)
def test_p106_text_within_fifteen_per_cent_of_real_tokenizers_or_above(text, tokens):
    """Reference counts are those of a common byte-pair vocabulary; a small text may be one token off."""
    assert tokens * 0.85 - 1 <= count_text(text) <= tokens * 1.35 + 2
