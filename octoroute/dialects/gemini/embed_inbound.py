"""Embeddings for Gemini's clients, as requests of OpenAI's format: `:embedContent`, and `:batchEmbedContents`. Pure.

Source: https://ai.google.dev/api/embeddings. All requests of a batch must ask for the same number of dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from octoroute.dialects.gemini.errors import error_frame, write_error
from octoroute.dialects.gemini.names import camel_names
from octoroute.dialects.gemini.schema import RequestContent
from octoroute.dialects.gemini.target import target_of, templates
from octoroute.dialects.openai.embeddings import EmbeddingsInbound, read_vectors
from octoroute.dialects.request.json_input import read_request
from octoroute.dialects.request.json_size import check_size
from octoroute.domain.principal import Principal
from octoroute.domain.request import Request
from octoroute.errors import BadRequest, OctorouteError


class EmbedRequest(msgspec.Struct, rename="camel"):
    content: RequestContent | None = None
    output_dimensionality: int | None = None


class EmbedBatch(msgspec.Struct):
    requests: list[EmbedRequest] | None = None


_ONE = msgspec.json.Decoder(EmbedRequest)
_BATCH = msgspec.json.Decoder(EmbedBatch)


class GeminiEmbedInbound(EmbeddingsInbound):
    name = "gemini"
    prefixes: tuple[str, ...] = ("/v1beta/",)
    key_parameter: str | None = "key"

    def __init__(self, wall: Callable[[], float], *, batch: bool) -> None:
        super().__init__(wall)
        self._batch = batch
        self.paths = templates("batchEmbedContents" if batch else "embedContent")
        self._inner = EmbeddingsInbound(wall)

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None) -> Request:
        target = target_of(headers)
        check_size(body)
        body = camel_names(body)
        requests = (read_request(_BATCH, body).requests or []) if self._batch else [read_request(_ONE, body)]
        if not requests:
            raise BadRequest("requests: is missing; send at least one", param="requests")
        asked: dict[str, object] = {"model": target.model, "input": list(map(_text, requests))}
        dimensions = {request.output_dimensionality for request in requests}
        if len(dimensions) > 1:
            raise BadRequest("outputDimensionality: must be the same in all requests", param="outputDimensionality")
        if dimensions != {None}:
            asked["dimensions"] = dimensions.pop()
        return self._inner.read(msgspec.json.encode(asked), request_id=request_id, headers=headers, principal=principal)

    def present(self, request: Request, body: bytes) -> bytes:
        """Raises BadUpstreamResponse."""
        del request
        vectors, _ = read_vectors(body)
        if self._batch:
            return msgspec.json.encode({"embeddings": [{"values": vector} for vector in vectors]})
        return msgspec.json.encode({"embedding": {"values": vectors[0]}})

    def error(self, error: OctorouteError, request_id: str) -> bytes:
        return write_error(error, request_id)

    def error_event(self, error: OctorouteError, request_id: str) -> bytes:
        return error_frame(error, request_id)


def _text(request: EmbedRequest) -> str:
    parts = request.content.parts if request.content is not None else None
    text = "\n".join(part.text for part in parts or () if part.text is not None)
    if not text:
        raise BadRequest("content.parts: must have text", param="content.parts")
    return text
