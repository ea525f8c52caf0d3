"""Clients that speak Ollama's API, /api/chat and /api/generate: their requests go through the hub. Pure but for a clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from octoroute.dialects.base import Inbound, ModelCatalog
from octoroute.dialects.local_routes import LocalRoute
from octoroute.dialects.ollama import schema
from octoroute.dialects.ollama.errors import error_line, write_error
from octoroute.dialects.ollama.model_routes import LATEST, local_routes
from octoroute.dialects.ollama.request_decoder import decode_request, read_chat_or_generate
from octoroute.dialects.ollama.stream_encoder import OllamaEncoder, ResponseShape, write_loaded
from octoroute.dialects.openai.models import OpenAIModels
from octoroute.dialects.request.body import RequestBody, decode, encode
from octoroute.dialects.request.facts import ABSENT, FactsBuilder, auto_at, read_hints
from octoroute.dialects.request.json_size import UNSCANNED_BYTES
from octoroute.dialects.request.truncation import History, HistoryMessage, Kind
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import Event
from octoroute.domain.principal import Principal
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest, OctorouteError

_MODEL = msgspec.json.Decoder(str)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_KINDS: Mapping[str, Kind] = {"system": "system", "assistant": "assistant", "tool": "results"}
_UNLOADS = frozenset({b"0", b'"0"', b'"0s"', b'"0m"'})


class OllamaBody(RequestBody, frozen=True, eq=False):
    arrived_at: float = 0.0
    """Seconds since the epoch."""


class OllamaInbound(Inbound):
    name = "ollama"
    keep_alive = b" "  # its clients take every line for a response, an empty one too
    silence = b" "
    stream_type = "application/x-ndjson"
    paths: tuple[str, ...] = ("/api/chat", "/api/generate")
    prefixes: tuple[str, ...] = ("/api/",)
    count_path: str | None = None
    id_header = "x-request-id"
    version_header: str | None = None
    model_classes: Mapping[str, Tier] = {}
    any_media_type = True  # the examples of its documentation send none of JSON
    default_tag = LATEST
    answers_json = False  # its usage has names of its own
    models: ModelCatalog = OpenAIModels()
    greeting = "Ollama is running"

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None) -> Request:
        parsed = RequestBody.parse(body)
        model = parsed.decode("model", _MODEL)
        if model is None or not model.strip():
            raise BadRequest('model: is missing; send "auto", a tier, or a configured name', param="model")
        request = read_chat_or_generate(body)
        if not (request.prompt if request.messages is None else request.messages):
            name = "prompt" if request.messages is None else "messages"
            raise BadRequest(f"{name}: is empty", param=name)
        return Request(
            id=request_id,
            dialect=self.name,
            model=auto_at(model)[0],
            stream=request.stream is not False,
            body=OllamaBody(parsed.raw, parsed.values, parsed.surplus, self._wall()),
            facts=_facts(request, parsed, headers),
            headers=headers,
            principal=principal,
            wants_usage=True,
        )

    def with_model(self, request: Request, model: str) -> bytes:
        assert isinstance(request.body, RequestBody)
        return request.body.with_values({"model": encode(model), "octoroute": None})

    def history(self, request: Request) -> History | None:
        body = request.body
        assert isinstance(body, RequestBody)
        messages = read_chat_or_generate(body.raw).messages
        if not messages:
            return None
        raws = decode(body.values["messages"], _RAWS, "messages")
        return History("messages", raws, list(map(_measured, messages)), ("options.num_predict",))

    def strip_signed_thinking(self, request: Request) -> Request:
        return request

    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:
        del endpoint  # the request holds all
        assert isinstance(request.body, RequestBody)
        return decode_request(request.body.raw)

    def encoder(self, request: Request) -> OllamaEncoder:
        body = request.body
        assert isinstance(body, OllamaBody)
        shows = bytes(body.values.get("think", b"null")) != b"false"
        shape = ResponseShape(request.model, "messages" in body.values, shows, body.arrived_at)
        return OllamaEncoder(shape, self._wall, input_tokens=request.facts.context_tokens)

    def encode_response(self, request: Request, events: Sequence[Event]) -> bytes:
        return self.encoder(request).body(events)

    def preset(self, body: bytes) -> bytes | None:
        """Without messages or a prompt, the request only loads the model. It is called in the event loop, for every body."""
        if len(body) > UNSCANNED_BYTES:
            return None
        try:
            parsed = RequestBody.parse(body)
            model = parsed.decode("model", _MODEL)
        except BadRequest:
            return None  # `read` says why
        if not model or parsed.is_set("messages") or parsed.is_set("prompt") or parsed.is_set("images"):
            return None
        return write_loaded(model, self._wall, unload=bytes(parsed.values.get("keep_alive", b"")) in _UNLOADS)

    def status(self, error: OctorouteError) -> int:
        return error.status

    def error(self, error: OctorouteError, request_id: str) -> bytes:
        del request_id  # has no field in this format
        return write_error(error)

    def error_event(self, error: OctorouteError, request_id: str) -> bytes:
        del request_id  # as above
        return error_line(error)

    def local_routes(self) -> Sequence[LocalRoute]:
        return local_routes()


def _facts(request: schema.ChatOrGenerate, body: RequestBody, headers: Mapping[str, str]) -> Facts:
    facts = FactsBuilder()
    if request.messages is None:
        if request.system:
            facts.message("system", request.system)
        facts.message("user", request.prompt or "")
        facts.images += len(request.images or ())
    for message in request.messages or ():
        _note(message, facts)
    facts.offered_tools(body.values.get("tools", ABSENT))
    facts.json = bool(request.format)
    limit = request.options.num_predict if request.options is not None else None
    return facts.build(read_hints(body, headers), output_tokens=limit if limit is not None and limit > 0 else None)


def _note(message: schema.ChatMessage, facts: FactsBuilder) -> None:
    facts.message(message.role, message.content or "")
    facts.images += len(message.images or ())
    facts.extra_chars += len(message.thinking or "")
    facts.tools = facts.tools or message.role == "tool" or bool(message.tool_calls)
    for call in message.tool_calls or ():
        arguments = call.function.arguments if call.function is not None else None
        facts.extra_chars += len(arguments) if isinstance(arguments, str) else len(msgspec.json.encode(arguments))


def _measured(message: schema.ChatMessage) -> HistoryMessage:
    facts = FactsBuilder()
    _note(message, facts)
    return HistoryMessage(_KINDS.get(message.role, "user"), facts.chars)
