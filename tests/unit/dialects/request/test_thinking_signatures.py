"""Signatures that are given to thinking of another provider."""

from __future__ import annotations

import pytest

from octoroute.dialects.request.thinking_signatures import MARK, has_signed_thinking, mark_signature, parse_signature


def test_the_providers_own_signature_comes_back():
    assert parse_signature(mark_signature("text", "gemini", "a.b==")) == ("gemini", "a.b==")


def test_without_a_signature_the_text_is_digested():
    first, second = mark_signature("a", "openai", None), mark_signature("b", "openai", None)
    assert first.startswith(f"{MARK}openai.") and first != second == mark_signature("b", "openai", None)
    assert mark_signature("\ud800", "openai", None).isascii()


@pytest.mark.parametrize("signature", ["", "EqQBCkYIBxgCKkA=", "octo", "octo.2.x.y"])
def test_other_signatures_are_not_ours(signature):
    assert parse_signature(signature) is None


@pytest.mark.parametrize(
    ("message", "signed"),
    [
        (b'{"type":"thinking","thinking":"t","signature":"EqQB"}', True),
        (b'{"type" : "redacted_thinking","data":"x"}', True),
        (b'{"type":"reasoning","encrypted_content": "gAAA"}', True),
        (b'{"thoughtSignature":"CiQB"}', True),
        (b'{"extra_content":{"google":{"thought_signature":"CiQB"}}}', True),
        (b'{"type":"reasoning","encrypted_content":null,"signature":""}', False),
        (b'{"content":"a \\"signature\\": \\"x\\" in a text"}', False),
    ],
)
def test_signed_thinking_is_found_in_messages(message, signed):
    assert has_signed_thinking([b'{"role":"user"}', message]) is signed


def test_a_digest_made_here_signs_nothing():
    message = b'{"type":"thinking","signature":"%b"}'
    assert not has_signed_thinking([message % mark_signature("words", "deepseek", None).encode()])
    assert has_signed_thinking([message % mark_signature("words", "gemini", "CiQB").encode()])
