"""Embeddings of Gemini for clients of OpenAI's format. Pure.

Source: https://ai.google.dev/api/embeddings. `batchEmbedContents` takes one request per input, and returns the vectors in the same
order without token counts.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence

import msgspec

from octoroute.dialects.openai.embeddings import read_input
from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.json_input import read_response
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Usage
from octoroute.domain.request import Request
from octoroute.errors import BadRequest, BadUpstreamResponse

MAX_INPUTS = 100
"""Per batch."""
_READ = frozenset({"model", "input", "dimensions", "encoding_format", "octoroute"})
_WHOLE = msgspec.json.Decoder(int | None)
_TEXT = msgspec.json.Decoder(str | None)


class _Embedding(msgspec.Struct):
    values: list[float]


class _EmbeddingsResponse(msgspec.Struct):
    embeddings: list[_Embedding] | None = None


_RESPONSE = msgspec.json.Decoder(_EmbeddingsResponse)


class GeminiEmbeddings:
    """The `ApiAdapter` for embeddings of Gemini."""

    def unsupported(self, request: Request) -> str | None:
        assert isinstance(request.body, RequestBody)
        inputs = read_input(request.body)
        if any(not isinstance(item, str) for item in inputs):
            return "this endpoint does not support token lists as input; send text"
        if len(inputs) > MAX_INPUTS:
            return f"this endpoint accepts at most {MAX_INPUTS} inputs per request, not {len(inputs)}"
        _read_encoding(request.body)
        return None

    def encode_request(self, request: Request, endpoint: Endpoint, notes: list[str]) -> bytes:
        body = request.body
        assert isinstance(body, RequestBody)
        dimensions = body.decode("dimensions", _WHOLE)
        if dimensions is not None and dimensions < 1:
            raise BadRequest("dimensions: must be at least 1", param="dimensions")
        notes += [f"{name} is not passed on to this endpoint" for name in body.values if name not in _READ]
        common: dict[str, object] = {"model": f"models/{endpoint.model.removeprefix('models/')}"}
        if dimensions is not None:
            common["outputDimensionality"] = dimensions
        texts = [item for item in read_input(body) if isinstance(item, str)]
        return msgspec.json.encode({"requests": [{**common, "content": {"parts": [{"text": text}]}} for text in texts]})

    def decode_response(self, request: Request, answer: bytes) -> tuple[bytes, Usage]:
        """Return (OpenAI's response, estimated usage). Raises BadUpstreamResponse."""
        body = request.body
        assert isinstance(body, RequestBody)
        embeddings = read_response(_RESPONSE, answer, "response", lenient=False).embeddings
        if embeddings is None or len(embeddings) != len(read_input(body)):
            raise BadUpstreamResponse("the upstream's response does not have one embedding per input")
        shortened = body.is_set("dimensions")
        as_text = _read_encoding(body) == "base64"
        rows: list[dict[str, object]] = []
        for index, embedding in enumerate(embeddings):
            values = _normalize(embedding.values) if shortened else embedding.values
            rows.append({"object": "embedding", "index": index, "embedding": _encode_base64(values) if as_text else values})
        tokens = max(1, request.facts.tokens)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        response = {"object": "list", "data": rows, "model": request.model, "usage": usage}
        return msgspec.json.encode(response), Usage(input_tokens=tokens, estimated=True)


def _read_encoding(body: RequestBody) -> str:
    encoding = body.decode("encoding_format", _TEXT) or "float"
    if encoding not in {"float", "base64"}:
        raise BadRequest("encoding_format: must be float or base64", param="encoding_format")
    return encoding


def _normalize(values: Sequence[float]) -> list[float]:
    """Scale to length 1: Gemini's shortened vectors are not, OpenAI's are, and clients compare vectors by their dot product."""
    length = math.sqrt(math.fsum(value * value for value in values))
    return [value / length for value in values] if length else list(values)


def _encode_base64(values: Sequence[float]) -> str:
    """Encode as little-endian 32-bit floats, the format that OpenAI's SDKs request."""
    try:
        return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
    except OverflowError:
        raise BadUpstreamResponse("the upstream's embedding has numbers that do not fit 32-bit floats") from None
