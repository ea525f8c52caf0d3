"""The names of models that clients may use."""

from __future__ import annotations

import pytest

from octoroute.errors import BadRequest
from octoroute.gateway.model_names import names_of, only_name, unknown_model, word_of
from tests.support.spine import make_endpoint


def test_the_words_of_octoroute_in_any_case_and_in_claude_codes_form():
    assert word_of("AUTO") == "auto"
    assert word_of("claude-octoroute-deep") == "deep"
    assert word_of("Qwen3") == "qwen3"


def test_a_client_without_a_model_gets_the_only_one():
    assert only_name([make_endpoint("a", name="x"), make_endpoint("b", name="x")]) == "x"
    with pytest.raises(BadRequest, match="x, y"):
        only_name([make_endpoint("a", name="x"), make_endpoint("b", name="y")])


def test_an_unknown_name_is_answered_with_the_known_ones():
    many = [make_endpoint(f"e{number}", name=f"m{number}") for number in range(30)]
    text = unknown_model("z" * 500, many, "auto, or one of: ")
    assert "m0, m1" in text
    assert text.endswith("m19 …")
    assert len(text) < 500
    assert names_of(make_endpoint("a", name="x", model="y")) == ("x", "y", "a")
