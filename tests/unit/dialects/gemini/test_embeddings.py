"""Embeddings of Gemini for clients of OpenAI's format."""

from __future__ import annotations

import base64
import json
import struct

import pytest

from octoroute.dialects.gemini.embeddings import MAX_INPUTS, GeminiEmbeddings
from octoroute.dialects.request.body import RequestBody
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest, BadUpstreamResponse

ENDPOINT = Endpoint(id="g", name="g", tier=Tier.FAST, kind="gemini", provider="gemini", base_url="http://x", model="embed-1")


def request(**fields):
    body = RequestBody.parse(json.dumps({"model": "embed", **fields}).encode())
    return Request(id="r", dialect="openai", model="embed", stream=False, body=body, facts=Facts(tokens=7), api="embeddings")


def response(*vectors):
    return json.dumps({"embeddings": [{"values": vector} for vector in vectors]}).encode()


def test_a_request_per_input():
    notes = []
    body = json.loads(GeminiEmbeddings().encode_request(request(input=["a", "b"], dimensions=2, user="u"), ENDPOINT, notes))
    assert body == {
        "requests": [
            {"model": "models/embed-1", "outputDimensionality": 2, "content": {"parts": [{"text": text}]}} for text in ("a", "b")
        ]
    }
    assert notes == ["user is not passed on to this endpoint"]


def test_vectors_come_back_in_order_with_estimated_usage():
    encoded, usage = GeminiEmbeddings().decode_response(request(input=["a", "b"]), response([3.0, 4.0], [1.0]))
    body = json.loads(encoded)
    assert [(row["index"], row["embedding"]) for row in body["data"]] == [(0, [3.0, 4.0]), (1, [1.0])]
    assert body["model"] == "embed" and body["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert (usage.input_tokens, usage.estimated) == (7, True)


def test_shortened_vectors_have_length_one():
    encoded, _ = GeminiEmbeddings().decode_response(request(input="a", dimensions=2), response([3.0, 4.0]))
    assert json.loads(encoded)["data"][0]["embedding"] == [0.6, 0.8]
    zero, _ = GeminiEmbeddings().decode_response(request(input="a", dimensions=2), response([0.0, 0.0]))
    assert json.loads(zero)["data"][0]["embedding"] == [0.0, 0.0]


def test_base64_holds_little_endian_floats():
    encoded, _ = GeminiEmbeddings().decode_response(request(input="a", encoding_format="base64"), response([0.5, -2.0]))
    assert struct.unpack("<2f", base64.b64decode(json.loads(encoded)["data"][0]["embedding"])) == (0.5, -2.0)


@pytest.mark.parametrize(
    "body", [b"{}", response([1.0], [2.0]), response([1e300]), b'{"embeddings":[{"values":["x"]}]}', b"<html>"]
)
def test_a_malformed_response_is_the_upstreams_failure(body):
    with pytest.raises(BadUpstreamResponse):
        GeminiEmbeddings().decode_response(request(input="a", encoding_format="base64"), body)


def test_what_gemini_does_not_support():
    assert "token lists" in (GeminiEmbeddings().unsupported(request(input=[1, 2])) or "")
    assert str(MAX_INPUTS) in (GeminiEmbeddings().unsupported(request(input=["a"] * (MAX_INPUTS + 1))) or "")
    assert GeminiEmbeddings().unsupported(request(input=["a"] * MAX_INPUTS)) is None


@pytest.mark.parametrize(("fields", "param"), [({"dimensions": 0}, "dimensions"), ({"encoding_format": "x"}, "encoding_format")])
def test_bad_requests_name_the_field(fields, param):
    with pytest.raises(BadRequest) as caught:
        GeminiEmbeddings().unsupported(request(input="a", **fields))
        GeminiEmbeddings().encode_request(request(input="a", **fields), ENDPOINT, [])
    assert caught.value.param == param
