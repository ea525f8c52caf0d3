"""Clients that speak Gemini's API: the path names the model, and the body goes unchanged to endpoints of the same format. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from octoroute.dialects.base import Inbound, ModelCatalog, StreamWrapper
from octoroute.dialects.gemini import schema
from octoroute.dialects.gemini.array_stream import ArrayStream
from octoroute.dialects.gemini.errors import error_frame, write_error
from octoroute.dialects.gemini.marks import without_marks
from octoroute.dialects.gemini.models import GeminiModels, describe, list_models
from octoroute.dialects.gemini.request_decoder import decode_request, read_generate_request
from octoroute.dialects.gemini.stream_encoder import GeminiEncoder
from octoroute.dialects.gemini.target import target_of, templates
from octoroute.dialects.local_routes import LocalRequest, LocalRoute
from octoroute.dialects.request.body import RequestBody, decode
from octoroute.dialects.request.facts import ABSENT, FactsBuilder, all_hints, auto_at, read_hints
from octoroute.dialects.request.truncation import History, HistoryMessage
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import Event
from octoroute.domain.principal import Principal
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest, OctorouteError, UnknownModel

_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_ENVELOPE = "generateContentRequest"
_MEDIA_TYPE_WINDOW = 200
"""Bytes at each end of inline data in which its media type is looked for."""


class GeminiInbound(Inbound):
    name = "gemini"
    keep_alive = b"\n\n"  # Google's SDK for Python takes a comment for a response
    silence = b"\n\n"
    paths: tuple[str, ...] = templates("generateContent", "streamGenerateContent")
    prefixes: tuple[str, ...] = ("/v1beta/", "/v1alpha/")
    count_path: str | None = "/{version}/models/{model:path}:countTokens"
    key_parameter: str | None = "key"
    id_header = "x-request-id"
    version_header: str | None = "x-goog-api-client"
    model_classes: Mapping[str, Tier] = {"flash-lite": Tier.FAST, "flash": Tier.BALANCED, "pro": Tier.DEEP}
    answers_json = False  # its usage has names of its own
    models: ModelCatalog = GeminiModels()

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None) -> Request:
        target = target_of(headers)
        parsed = _unwrapped(RequestBody.parse(body))
        model, quality = auto_at(target.model)
        request, _ = read_generate_request(parsed.raw)
        if not request.contents:
            raise BadRequest("contents: is missing; send a list of at least one content", param="contents")
        return Request(
            id=request_id,
            dialect=self.name,
            model=model,
            stream=target.streams,
            body=parsed,
            facts=_facts(request, parsed, quality, headers),
            headers=headers,
            principal=principal,
            wants_usage=True,
        )

    def with_model(self, request: Request, model: str) -> bytes:
        """The model is in the path, so that only what is octoroute's own is removed."""
        body = request.body
        assert isinstance(body, RequestBody)
        changes: dict[str, bytes | None] = {**without_marks(body, model)}
        if "octoroute" in body.values:
            changes["octoroute"] = None
        return body.with_values(changes) if changes else body.raw

    def history(self, request: Request) -> History | None:
        body = request.body
        assert isinstance(body, RequestBody)
        read, _ = read_generate_request(body.raw)
        if not read.contents:
            return None
        outer, inner = ("generationConfig", "maxOutputTokens")
        if outer not in body.values:
            outer, inner = "generation_config", "max_output_tokens"
        measured = [_measured(content) for content in read.contents]
        return History("contents", decode(body.values["contents"], _RAWS, "contents"), measured, (f"{outer}.{inner}",))

    def strip_signed_thinking(self, request: Request) -> Request:
        return request

    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:
        del endpoint  # the request holds all
        assert isinstance(request.body, RequestBody)
        return decode_request(request.body.raw)

    def encoder(self, request: Request) -> GeminiEncoder:
        return GeminiEncoder(model=request.model, input_tokens=request.facts.context_tokens, show_thinking=_shows_thinking(request))

    def encode_response(self, request: Request, events: Sequence[Event]) -> bytes:
        return self.encoder(request).body(events)

    def wrapper(self, request: Request) -> StreamWrapper | None:
        return None if target_of(request.headers).events else ArrayStream()

    def status(self, error: OctorouteError) -> int:
        return error.status

    def error(self, error: OctorouteError, request_id: str) -> bytes:
        return write_error(error, request_id)

    def error_event(self, error: OctorouteError, request_id: str) -> bytes:
        return error_frame(error, request_id)

    def encode_count(self, tokens: int) -> bytes:
        return msgspec.json.encode({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})

    def local_routes(self) -> Sequence[LocalRoute]:
        return [LocalRoute("GET", "/v1beta/models", _list), LocalRoute("GET", "/v1beta/models/{name:path}", _get)]


def _unwrapped(body: RequestBody) -> RequestBody:
    """The request inside the envelope in which countTokens takes a whole one."""
    inner = body.values.get(_ENVELOPE) or body.values.get("generate_content_request")
    return body if inner is None else RequestBody.parse(bytes(inner))


def _shows_thinking(request: Request) -> bool:
    """Whether the client asks to see thoughts (`includeThoughts`)."""
    assert isinstance(request.body, RequestBody)
    config = read_generate_request(request.body.raw)[0].generation_config
    thinking = config.thinking_config if config is not None else None
    return thinking is not None and bool(thinking.include_thoughts)


def _facts(request: schema.GenerateRequest, body: RequestBody, quality: float | None, headers: Mapping[str, str]) -> Facts:
    facts = FactsBuilder()
    system = request.system_instruction
    if system is not None:
        facts.message("system", system if isinstance(system, str) else _text_of(system, facts))
    for content in request.contents or ():
        facts.message("assistant" if content.role == "model" else "user", _text_of(content, facts))
    facts.offered_tools(body.values.get("tools", ABSENT))
    config = request.generation_config or schema.GenerationConfig()
    facts.json = config.response_mime_type == "application/json"
    limit = config.max_output_tokens
    if limit is not None and limit < 1:
        raise BadRequest("generationConfig.maxOutputTokens: must be at least 1", param="generationConfig.maxOutputTokens")
    return facts.build(all_hints(read_hints(body, {}), quality, headers), output_tokens=limit)


def _measured(content: schema.RequestContent) -> HistoryMessage:
    facts = FactsBuilder()
    text = _text_of(content, facts)
    facts.message("user", text)
    if content.role == "model":
        return HistoryMessage("assistant", facts.chars)
    if any(part.function_response is not None for part in content.parts or ()):
        return HistoryMessage("results", facts.chars, has_user_text=bool(text.strip()))
    return HistoryMessage("user", facts.chars)


def _text_of(content: schema.RequestContent, facts: FactsBuilder) -> str:
    """The text that a user sees. Images and files are counted, also in function responses."""
    texts: list[str] = []
    for part in content.parts or ():
        if part.text is not None:
            if part.thought:
                facts.extra_chars += len(part.text)
            else:
                texts.append(part.text)
        if part.function_call is not None:
            facts.tools = True
            facts.extra_chars += len(memoryview(part.function_call.args))
        if part.function_response is not None:
            facts.tools = True
            facts.extra_chars += len(memoryview(part.function_response.response))
            for inner in part.function_response.parts or ():
                _count_file(msgspec.Raw(msgspec.json.encode(inner.inline_data)), facts)
        _count_file(part.inline_data, facts)
        if part.file_data is not None:
            facts.attachments = True
    return "\n".join(texts)


def _count_file(inline: msgspec.Raw, facts: FactsBuilder) -> None:
    """Count inline data as an image or a file. Its media type stands before or after the data; absent data is not counted."""
    view = memoryview(inline)
    if bytes(view[:5]) in {b"", b"null"}:
        return
    if b'"image/' in bytes(view[:_MEDIA_TYPE_WINDOW]) + bytes(view[-_MEDIA_TYPE_WINDOW:]):
        facts.images += 1
    else:
        facts.file(inline)


def _list(request: LocalRequest) -> bytes:
    return msgspec.json.encode(list_models(list(request.models.values()), request.query))


def _get(request: LocalRequest) -> bytes:
    name = request.params["name"].removeprefix("models/")
    card = request.models.get(name)
    if card is None:
        raise UnknownModel(f"the model {name[:200]!r} does not exist; GET /v1beta/models lists the models", param="name")
    return msgspec.json.encode(describe(card))
