"""Signatures that are given to thinking of another provider."""

from __future__ import annotations

import pytest

from octoroute.dialects.request.thinking_signatures import MARK, mark_signature, parse_signature


def test_the_providers_own_signature_comes_back():
    assert parse_signature(mark_signature("text", "gemini", "a.b==")) == ("gemini", "a.b==")


def test_without_a_signature_the_text_is_digested():
    first, second = mark_signature("a", "openai", None), mark_signature("b", "openai", None)
    assert first.startswith(f"{MARK}openai.") and first != second == mark_signature("b", "openai", None)
    assert mark_signature("\ud800", "openai", None).isascii()


@pytest.mark.parametrize("signature", ["", "EqQBCkYIBxgCKkA=", "octo", "octo.2.x.y"])
def test_other_signatures_are_not_ours(signature):
    assert parse_signature(signature) is None
