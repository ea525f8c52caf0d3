"""Inbound half of OpenAI's Embeddings API: the client's bytes go to endpoints of the same format. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from octoroute.dialects.openai.inbound import OpenAIInbound
from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.facts import estimate_tokens
from octoroute.dialects.request.json_input import read_response
from octoroute.domain.principal import Principal
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest, BadUpstreamResponse

_INPUT = msgspec.json.Decoder(str | list[str | int | list[int]] | None)
_STREAM = msgspec.json.Decoder(bool | None)
_NO_INPUT = "input: must be a non-empty string, a list of strings, or a list of token lists"


class EmbeddingsInbound(OpenAIInbound):
    api = "embeddings"
    paths: tuple[str, ...] = ("/v1/embeddings",)

    def history(self, request: Request) -> None:
        """None: inputs are never truncated."""

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None) -> Request:
        return self.read_by_field(RequestBody.parse(body), request_id=request_id, headers=headers, principal=principal)

    def facts(self, body: RequestBody, headers: Mapping[str, str]) -> Facts:
        """`context_tokens` are those of the longest input, because each input has its own context window."""
        del headers  # routing hints do not apply to embeddings
        if body.decode("stream", _STREAM):
            raise BadRequest("stream: embeddings cannot be streamed; leave stream out", param="stream")
        sizes = [estimate_tokens(item) if isinstance(item, str) else len(item) for item in read_input(body)]
        return Facts(tokens=sum(sizes), context_tokens=max(sizes), messages=len(sizes))


class EmbeddingRow(msgspec.Struct):
    embedding: list[float]
    index: int | None = None


class EmbeddingUsage(msgspec.Struct):
    prompt_tokens: int | None = None


class EmbeddingList(msgspec.Struct):
    data: list[EmbeddingRow]
    usage: EmbeddingUsage | None = None


_LIST = msgspec.json.Decoder(EmbeddingList)


def read_vectors(body: bytes) -> tuple[list[list[float]], int]:
    """Return (the vectors in the order of the inputs, input tokens) of a response. Raises BadUpstreamResponse."""
    found = read_response(_LIST, body, "response")
    if not found.data:
        raise BadUpstreamResponse("the upstream's response has no embedding")
    rows = sorted(enumerate(found.data), key=lambda row: row[0] if row[1].index is None else row[1].index)
    return [row.embedding for _, row in rows], (found.usage.prompt_tokens if found.usage is not None else None) or 0


def read_input(body: RequestBody) -> list[str | list[int]]:
    """The inputs, each as text or as tokens. Raises BadRequest."""
    value = body.decode("input", _INPUT)
    if value is None or value == []:
        raise BadRequest(_NO_INPUT, param="input")
    if isinstance(value, str):
        return [value]
    tokens = [item for item in value if isinstance(item, int)]
    if not tokens:
        return [item for item in value if not isinstance(item, int)]
    if len(tokens) < len(value):
        raise BadRequest(_NO_INPUT, param="input")
    return [tokens]
