"""Inbound half of the interfaces that are passed on: audio, images, rerank, moderations, decisions. Pure.

Of a request, JSON or multipart, only `model` is read and replaced; the response is passed on whatever its type is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from octoroute.dialects.openai.inbound import OpenAIInbound, read_model
from octoroute.dialects.request.body import RequestBody, encode
from octoroute.dialects.request.facts import estimate_tokens
from octoroute.dialects.request.multipart import MultipartBody, boundary_of
from octoroute.domain.outcome import Usage
from octoroute.domain.principal import Principal
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest

_TEXT = msgspec.json.Decoder(str)
_TEXTS = msgspec.json.Decoder(list[str])
_SOURCES = ("input", "prompt", "query", "documents")
"""Fields that hold the text of such requests."""


class Interface(NamedTuple):
    """One interface, as OpenAI, Cohere, Jina, or TypeSafe define it."""

    api: str
    """Its address below the base URL of an endpoint."""
    paths: tuple[str, ...]
    takes_forms: bool = False
    """Its clients send multipart/form-data too."""
    has_default_model: bool = False
    """Its vendors take a request without `model`."""


PASSED = (
    Interface("audio/transcriptions", ("/v1/audio/transcriptions",), takes_forms=True),
    Interface("audio/translations", ("/v1/audio/translations",), takes_forms=True),
    Interface("audio/speech", ("/v1/audio/speech",)),
    Interface("images/generations", ("/v1/images/generations",), has_default_model=True),
    Interface("images/edits", ("/v1/images/edits",), takes_forms=True, has_default_model=True),
    Interface("images/variations", ("/v1/images/variations",), takes_forms=True, has_default_model=True),
    Interface("rerank", ("/v1/rerank", "/v2/rerank")),
    Interface("moderations", ("/v1/moderations",), has_default_model=True),
    Interface("decisions", ("/v1/decisions",)),
    Interface("systemone", ("/v1/systemone",)),
)


class JsonBody(msgspec.Struct, frozen=True, eq=False):
    """A JSON body without `model`."""

    body: RequestBody

    def with_model(self, model: str) -> bytes:
        """The body with `model` put first; every other byte is kept."""
        raw = self.body.with_values({"octoroute": None})
        at = raw.index(b"{") + 1
        rest = raw[at:]
        comma = b"" if rest.lstrip().startswith(b"}") else b","
        return b"".join((raw[:at], b'"model":', encode(model), comma, rest))


class PassThroughInbound(OpenAIInbound):
    answers_json = False

    def __init__(self, wall: Callable[[], float], passed: Interface) -> None:
        super().__init__(wall)
        self.api = passed.api
        self.paths: tuple[str, ...] = passed.paths
        self.takes_forms = passed.takes_forms
        self.has_default_model = passed.has_default_model

    def history(self, request: Request) -> None:
        """None: such requests are never truncated."""

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None) -> Request:
        content_type = headers.get("content-type", "")
        boundary = boundary_of(content_type) if self.takes_forms else None
        facts = Facts()
        parsed: RequestBody | MultipartBody | JsonBody
        if boundary is not None:
            parsed = MultipartBody.parse(body, boundary)
            model = self._model(parsed.text("model"))
        else:
            parsed = RequestBody.parse(body)
            facts = Facts(tokens=sum(map(_tokens, (parsed.values.get(name) for name in _SOURCES))))
            if parsed.is_set("model") or not self.has_default_model:
                model = self._model(read_model(parsed) if parsed.is_set("model") else None)
            else:
                model = ""
                parsed = parsed if "model" in parsed.values else JsonBody(parsed)
        return Request(
            id=request_id,
            dialect=self.name,
            model=model,
            stream=False,
            body=parsed,
            facts=facts,
            headers=headers,
            principal=principal,
            api=self.api,
            content_type=None if boundary is None else content_type,
        )

    def _model(self, given: str | None) -> str:
        """The model's name; empty: the client leaves the choice to the server. Raises BadRequest."""
        model = (given or "").strip()
        if not model and not self.has_default_model:
            raise BadRequest('model: is missing; send "auto", or the name of a configured model', param="model")
        return model


class _TokenKinds(msgspec.Struct):
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: _TokenKinds | None = None
    """Of images."""
    input_token_details: _TokenKinds | None = None
    """Of transcriptions."""
    output_tokens_details: _TokenKinds | None = None


class _UsageReport(msgspec.Struct):
    usage: _Usage | None = None


_REPORT = msgspec.json.Decoder(_UsageReport)


def read_passed_usage(body: bytes) -> Usage | None:
    """The tokens that a response reports, as OpenAI or Jina write them; None: it reports none."""
    try:
        usage = _REPORT.decode(body).usage
    except (ValueError, RecursionError):
        return None
    if usage is None:
        return None
    given = usage.input_tokens if usage.input_tokens is not None else usage.prompt_tokens
    made = usage.output_tokens if usage.output_tokens is not None else usage.completion_tokens
    if given is None and made is None:
        if usage.total_tokens is None:
            return None
        given = usage.total_tokens
    kinds, made_kinds = usage.input_tokens_details or usage.input_token_details, usage.output_tokens_details
    return Usage(
        input_tokens=max(0, given or 0),
        output_tokens=max(0, made or 0),
        audio_input_tokens=max(0, (kinds and kinds.audio_tokens) or 0),
        image_input_tokens=max(0, (kinds and kinds.image_tokens) or 0),
        image_output_tokens=max(0, (made_kinds and made_kinds.image_tokens) or 0),
    )


def _tokens(value: msgspec.Raw | None) -> int:
    """An estimate of the tokens of a text or a list of texts; anything else is not counted."""
    if value is None:
        return 0
    for decoder in (_TEXT, _TEXTS):
        try:
            found = decoder.decode(value)
        except (ValueError, RecursionError):
            continue
        return sum(map(estimate_tokens, [found] if isinstance(found, str) else found))
    return 0
