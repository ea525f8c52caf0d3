"""Anthropic's blocks in Converse's form."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.bedrock.content_encoder import DOCUMENT_TEXT, ContentEncoder, document_format

SHORT, LONG = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}


def document(title: str = "", **more) -> dict:
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}
    return {"type": "document", "source": source, "title": title, **more}


def one(block, notes=None):
    [encoded] = ContentEncoder([] if notes is None else notes).blocks([block])
    return encoded


@pytest.mark.parametrize(
    ("block", "encoded"),
    [
        ({"type": "text", "text": "hi"}, {"text": "hi"}),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAEC"}},
            {"image": {"format": "jpeg", "source": {"bytes": "AAEC"}}},
        ),
        (
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}},
        ),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "r"}], "is_error": True},
            {"toolResult": {"toolUseId": "t", "content": [{"text": "r"}], "status": "error"}},
        ),
        ({"type": "tool_result", "tool_use_id": "t", "content": []}, {"toolResult": {"toolUseId": "t", "content": []}}),
        (
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        ),
        ({"type": "redacted_thinking", "data": "AAEC"}, {"reasoningContent": {"redactedContent": "AAEC"}}),
    ],
)
def test_blocks(block, encoded):
    assert one(block) == encoded


def test_a_mark_becomes_a_cache_point_after_its_block():
    blocks = [{"type": "text", "text": "a", "cache_control": SHORT}, {"type": "text", "text": "b", "cache_control": LONG}]
    short, long = {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert ContentEncoder([]).blocks(blocks) == [{"text": "a"}, short, {"text": "b"}, long]


def test_redacted_thinking_of_another_server_is_named_once():
    notes: list[str] = []
    strange = {"type": "redacted_thinking", "data": "not base64!"}
    assert ContentEncoder(notes).blocks([strange, {"type": "text", "text": "a"}, strange]) == [{"text": "a"}]
    assert len(notes) == 1


def test_a_message_of_documents_gets_a_text():
    [message] = ContentEncoder([]).messages([{"role": "user", "content": [document("a.pdf")]}])
    assert message["content"][1] == {"text": DOCUMENT_TEXT}
    [message] = ContentEncoder([]).messages([{"role": "user", "content": [document(), {"type": "text", "text": "what is it?"}]}])
    assert len(message["content"]) == 2


def test_text_documents_are_sent_as_files():
    source = {"type": "text", "media_type": "text/plain", "data": "Grüße"}
    sent = one({"type": "document", "source": source, "title": "notes", "context": "from Ulm"})["document"]
    assert (sent["format"], sent["name"], sent["context"]) == ("txt", "notes", "from Ulm")
    assert base64.b64decode(sent["source"]["bytes"]).decode() == "Grüße"


@given(st.lists(st.text(max_size=300) | st.sampled_from(["a.pdf", "a_pdf", "(1)", "a  b"]), max_size=6))
def test_names_of_documents_are_valid_and_differ(titles):
    names = [block["document"]["name"] for block in ContentEncoder([]).blocks([document(title) for title in titles])]
    assert len(set(names)) == len(titles)
    assert all(re.fullmatch(r"[a-zA-Z0-9\-()\[\]]+( [a-zA-Z0-9\-()\[\]]+)*", name) for name in names)


@pytest.mark.parametrize(
    ("media_type", "word"),
    [("application/pdf", "pdf"), ("text/x-python", "txt"), ("application/json", "txt"), ("application/zip", None), (None, None)],
)
def test_formats_of_documents(media_type, word):
    assert document_format(media_type) == word
