"""Embeddings for Ollama's clients."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.ollama.embeddings import OllamaEmbeddings
from octoroute.errors import BadRequest, BadUpstreamResponse

NEW, OLD = OllamaEmbeddings(lambda: 0.0), OllamaEmbeddings(lambda: 0.0, older=True)
ANSWER = b'{"data":[{"index":1,"embedding":[3,4]},{"index":0,"embedding":[1,2]}],"usage":{"prompt_tokens":5}}'


def read(inbound, **body):
    return inbound.read(json.dumps(body).encode(), request_id="r", headers={})


def test_a_request_becomes_openais():
    request = read(NEW, model="emb:latest", input=["a", "b"], truncate=True, dimensions=2, keep_alive="5m")
    assert (request.dialect, request.api, request.model) == ("openai", "embeddings", "emb")
    assert json.loads(request.body.raw) == {"model": "emb", "input": ["a", "b"], "dimensions": 2}
    assert json.loads(read(OLD, model="emb", prompt="a").body.raw)["input"] == "a"


def test_an_answer_becomes_ollamas():
    told = json.loads(NEW.present(read(NEW, model="emb", input=["a", "b"]), ANSWER))
    assert (told["model"], told["embeddings"], told["prompt_eval_count"]) == ("emb", [[1, 2], [3, 4]], 5)
    assert json.loads(OLD.present(read(OLD, model="emb", prompt="a"), ANSWER)) == {"embedding": [1, 2]}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"data":[]}', b'{"data":[{"embedding":"AAAA"}]}'])
def test_something_else_is_no_answer(body):
    with pytest.raises(BadUpstreamResponse):
        NEW.present(read(NEW, model="emb", input="a"), body)


@pytest.mark.parametrize(
    ("inbound", "body", "param"),
    [
        (NEW, {"input": "a"}, "model"),
        (NEW, {"model": "m"}, "input"),
        (NEW, {"model": "m", "input": [1]}, "input[0]"),
        (OLD, {"model": "m", "input": "a"}, "prompt"),
    ],
)
def test_a_wrong_field_is_named_as_the_client_knows_it(inbound, body, param):
    with pytest.raises(BadRequest) as error:
        read(inbound, **body)
    assert error.value.param == param
    assert json.loads(inbound.error(error.value, "r"))["error"]
    assert inbound.error_event(error.value, "r").endswith(b"\n")
