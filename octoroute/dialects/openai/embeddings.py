"""Clients that ask for embeddings, all in OpenAI's format: their own bytes to endpoints that speak it too. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from octoroute.dialects.openai.inbound import OpenAIInbound
from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.facts import estimate_tokens
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest

_INPUT = msgspec.json.Decoder(str | list[str | int | list[int]] | None)
_STREAM = msgspec.json.Decoder(bool | None)
_NO_INPUT = "input: must be a string, or a list of strings or of token lists, and not empty"


class EmbeddingsInbound(OpenAIInbound):
    api = "embeddings"
    paths: tuple[str, ...] = ("/v1/embeddings",)

    def history(self, request: Request) -> None:
        """Each input is embedded whole."""

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], key_name: str | None = None) -> Request:
        return self.read_by_field(RequestBody.parse(body), request_id=request_id, headers=headers, key_name=key_name)

    def facts(self, body: RequestBody, headers: Mapping[str, str]) -> Facts:
        """`context_tokens` are those of the longest input: each has the model's window to itself."""
        del headers  # nobody decides how much model an embedding deserves
        if body.decode("stream", _STREAM):
            raise BadRequest("stream: embeddings are not streamed", param="stream")
        sizes = [estimate_tokens(item) if isinstance(item, str) else len(item) for item in read_input(body)]
        return Facts(tokens=sum(sizes), context_tokens=max(sizes), messages=len(sizes))


def read_input(body: RequestBody) -> list[str | list[int]]:
    """Each input by itself, as text or as tokens. Raises BadRequest."""
    given = body.decode("input", _INPUT)
    if given is None or given == []:
        raise BadRequest(_NO_INPUT, param="input")
    if isinstance(given, str):
        return [given]
    tokens = [item for item in given if isinstance(item, int)]
    if not tokens:
        return [item for item in given if not isinstance(item, int)]
    if len(tokens) < len(given):
        raise BadRequest(_NO_INPUT, param="input")
    return [tokens]
