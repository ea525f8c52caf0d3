"""Clients of the legacy Completions API."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.completions import CompletionsInbound
from octoroute.errors import BadRequest


def read(headers=None, **fields):
    body = json.dumps({"model": "auto", **fields}).encode()
    return CompletionsInbound(lambda: 0.0).read(body, request_id="r", headers=headers or {})


@pytest.mark.parametrize(
    ("prompt", "text", "context_tokens"),
    [
        ("hello", "hello", 1),
        (["a" * 8, "b" * 7], "aaaaaaaa\nbbbbbbb", 4),
        ([1, 2, 3], "", 3),
        ([[1, 2], [3]], "", 3),
        (None, "", 0),
    ],
)
def test_facts_of_a_prompt(prompt, text, context_tokens):
    facts = read(prompt=prompt).facts
    assert (facts.text, facts.context_tokens) == (text, context_tokens)


def test_the_output_limit_and_the_hints():
    request = read({"x-octoroute-quality": "0.5"}, prompt="a", max_tokens=9)
    assert (request.facts.output_tokens, request.facts.quality, request.api) == (9, 0.5, "completions")
    assert CompletionsInbound(lambda: 0.0).history(request) is None


def test_a_wrong_prompt_is_a_bad_request():
    with pytest.raises(BadRequest) as caught:
        read(prompt={"a": 1})
    assert caught.value.param == "prompt"
