"""Embeddings for Ollama's clients, as requests of OpenAI's format: /api/embed, and the older /api/embeddings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from octoroute.dialects.ollama.errors import error_line, write_error
from octoroute.dialects.ollama.model_routes import LATEST
from octoroute.dialects.openai.embeddings import EmbeddingsInbound, read_vectors
from octoroute.dialects.request.body import RequestBody
from octoroute.domain.principal import Principal
from octoroute.domain.request import Request
from octoroute.errors import BadRequest, OctorouteError

_MODEL = msgspec.json.Decoder(str)
_INPUT = msgspec.json.Decoder(str | list[str])
_WHOLE = msgspec.json.Decoder(int | None)


class OllamaEmbeddings(EmbeddingsInbound):
    name = "ollama"
    prefixes: tuple[str, ...] = ("/api/",)
    any_media_type = True
    stream_type = "application/x-ndjson"

    def __init__(self, wall: Callable[[], float], *, older: bool = False) -> None:
        """`older`: /api/embeddings, with one `prompt` and one vector."""
        super().__init__(wall)
        self._older = older
        self.paths = ("/api/embeddings",) if older else ("/api/embed",)
        self._inner = EmbeddingsInbound(wall)

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None) -> Request:
        parsed = RequestBody.parse(body)
        name = "prompt" if self._older else "input"
        model, texts = parsed.decode("model", _MODEL), parsed.decode(name, _INPUT)
        if not model:
            raise BadRequest("model: is missing; send the name of an embedding model", param="model")
        if not texts:
            raise BadRequest(f"{name}: is missing; send a text", param=name)
        asked: dict[str, object] = {"model": model.removesuffix(LATEST), "input": texts}
        dimensions = parsed.decode("dimensions", _WHOLE)
        if dimensions is not None:
            asked["dimensions"] = dimensions
        return self._inner.read(msgspec.json.encode(asked), request_id=request_id, headers=headers, principal=principal)

    def present(self, request: Request, body: bytes) -> bytes:
        """Raises BadUpstreamResponse."""
        vectors, tokens = read_vectors(body)
        if self._older:
            return msgspec.json.encode({"embedding": vectors[0]})
        counts = {"total_duration": 1, "load_duration": 1, "prompt_eval_count": tokens}
        return msgspec.json.encode({"model": request.model, "embeddings": vectors, **counts})

    def error(self, error: OctorouteError, request_id: str) -> bytes:
        del request_id  # has no field in this format
        return write_error(error)

    def error_event(self, error: OctorouteError, request_id: str) -> bytes:
        del request_id  # as above
        return error_line(error)
