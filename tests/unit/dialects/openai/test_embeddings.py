"""Clients of OpenAI's Embeddings API."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.embeddings import EmbeddingsInbound, read_input
from octoroute.dialects.request.body import RequestBody
from octoroute.errors import BadRequest


def body(**fields):
    return json.dumps({"model": "auto", **fields}).encode()


def read(**fields):
    return EmbeddingsInbound(lambda: 0.0).read(body(**fields), request_id="r", headers={})


@pytest.mark.parametrize(
    ("value", "inputs"),
    [("a", ["a"]), (["a", "b"], ["a", "b"]), ([1, 2], [[1, 2]]), ([[1, 2], [3]], [[1, 2], [3]]), (["a", [1]], ["a", [1]])],
)
def test_inputs_are_texts_or_token_lists(value, inputs):
    assert read_input(RequestBody.parse(body(input=value))) == inputs


@pytest.mark.parametrize("fields", [{}, {"input": None}, {"input": []}, {"input": [1, "a"]}, {"input": 7}])
def test_other_inputs_are_bad_requests(fields):
    with pytest.raises(BadRequest) as caught:
        read(**fields)
    assert caught.value.param == "input"


def test_each_input_has_the_context_window_to_itself():
    facts = read(input=["x" * 40, "x" * 400]).facts
    assert (facts.tokens, facts.context_tokens, facts.messages) == (110, 100, 2)
    assert read(input=[1] * 9).facts.tokens == 9


def test_embeddings_are_not_streamed_and_not_truncated():
    with pytest.raises(BadRequest) as caught:
        read(input="a", stream=True)
    assert caught.value.param == "stream"
    request = read(input="a", stream=False)
    assert request.api == "embeddings" and EmbeddingsInbound(lambda: 0.0).history(request) is None
