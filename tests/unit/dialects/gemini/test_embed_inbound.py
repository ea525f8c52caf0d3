"""Embeddings for Gemini's clients."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.gemini.embed_inbound import GeminiEmbedInbound
from octoroute.errors import BadRequest, BadUpstreamResponse

ONE, BATCH = GeminiEmbedInbound(lambda: 0.0, batch=False), GeminiEmbedInbound(lambda: 0.0, batch=True)
HELLO = {"content": {"parts": [{"text": "hello"}, {"text": "there"}]}}


def read(inbound, **body):
    return inbound.read(json.dumps(body).encode(), request_id="r", headers={":path": "/v1beta/models/emb:embedContent?"})


def test_a_request_becomes_openais():
    request = read(ONE, **HELLO, output_dimensionality=3, taskType="RETRIEVAL_QUERY")
    assert (request.dialect, request.api, request.model) == ("openai", "embeddings", "emb")
    assert json.loads(request.body.raw) == {"model": "emb", "input": ["hello\nthere"], "dimensions": 3}
    batch = read(BATCH, requests=[{"model": "models/x", **HELLO}, HELLO])
    assert json.loads(batch.body.raw) == {"model": "emb", "input": ["hello\nthere", "hello\nthere"]}


def test_an_answer_becomes_googles():
    answer = b'{"data":[{"embedding":[1,2]},{"embedding":[3,4]}]}'
    assert json.loads(ONE.present(read(ONE, **HELLO), answer)) == {"embedding": {"values": [1, 2]}}
    assert json.loads(BATCH.present(read(ONE, **HELLO), answer)) == {"embeddings": [{"values": [1, 2]}, {"values": [3, 4]}]}
    with pytest.raises(BadUpstreamResponse):
        ONE.present(read(ONE, **HELLO), b"{}")


@pytest.mark.parametrize(
    ("inbound", "body"),
    [
        (ONE, {}),
        (ONE, {"content": {"parts": []}}),
        (ONE, {"content": 5}),
        (BATCH, {"requests": []}),
        (BATCH, {"requests": [{**HELLO, "outputDimensionality": 2}, HELLO]}),
    ],
)
def test_what_cannot_be_embedded_is_told(inbound, body):
    with pytest.raises(BadRequest) as error:
        read(inbound, **body)
    assert json.loads(inbound.error(error.value, "r"))["error"]["status"] == "INVALID_ARGUMENT"
    assert inbound.error_event(error.value, "r").startswith(b"data: ")
