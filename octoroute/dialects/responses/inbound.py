"""Clients that speak Responses: their requests always go through the hub. Pure but for a clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from octoroute.dialects.base import ModelCatalog
from octoroute.dialects.openai.errors import write_error
from octoroute.dialects.openai.inbound import read_model
from octoroute.dialects.openai.models import OpenAIModels
from octoroute.dialects.request.body import RequestBody, decode
from octoroute.dialects.request.facts import FactsBuilder, auto_at, read_hints
from octoroute.dialects.request.truncation import History, HistoryMessage, Kind
from octoroute.dialects.response import sse
from octoroute.dialects.responses import schema
from octoroute.dialects.responses.request_decoder import decode_request, reject_state
from octoroute.dialects.responses.response import ECHOED, encode_response
from octoroute.dialects.responses.stream_encoder import ResponsesEncoder
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import Event
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest, OctorouteError

_REQUEST = msgspec.json.Decoder(schema.Request)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECTS = ("reasoning", "text")
"""Echoed only where they are set: null stands for an object of defaults."""


class ResponsesInbound:
    name = "responses"
    keep_alive = sse.KEEP_ALIVE
    paths: tuple[str, ...] = ("/v1/responses",)
    count_path: str | None = None
    id_header = "x-request-id"
    version_header: str | None = None
    model_classes: Mapping[str, Tier] = {}
    answers_json = True
    models: ModelCatalog = OpenAIModels()

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], key_name: str | None = None) -> Request:
        parsed = RequestBody.parse(body)
        model, _ = auto_at(read_model(parsed))
        request = decode(body, _REQUEST, "")
        reject_state(request)
        if not request.input:
            raise BadRequest("input: is missing; send a string or a list of items", param="input")
        return Request(
            id=request_id,
            dialect=self.name,
            model=model,
            stream=bool(request.stream),
            body=parsed,
            facts=_facts(request, parsed, headers),
            headers=headers,
            key_name=key_name,
            wants_usage=True,
        )

    def with_model(self, request: Request, model: str) -> bytes:
        raise NotImplementedError("no endpoint speaks this dialect")

    def history(self, request: Request) -> History | None:
        body = request.body
        assert isinstance(body, RequestBody)
        items = decode(body.raw, _REQUEST, "").input
        if not items or isinstance(items, str):
            return None
        raws = decode(body.values["input"], _RAWS, "input")
        return History("input", raws, [_measured(item) for item in items], ("max_output_tokens",))

    def strip_signed_thinking(self, request: Request) -> Request:
        return request

    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:
        del endpoint  # the request holds all
        assert isinstance(request.body, RequestBody)
        return decode_request(request.body.raw)

    def encoder(self, request: Request) -> ResponsesEncoder:
        return ResponsesEncoder(
            model=request.model, created_s=int(self._wall()), echo=_echo(request), input_tokens=request.facts.context_tokens
        )

    def encode_response(self, request: Request, events: Sequence[Event]) -> bytes:
        return encode_response(
            events,
            model=request.model,
            created_s=int(self._wall()),
            echo=_echo(request),
            input_tokens=request.facts.context_tokens,
        )

    def status(self, error: OctorouteError) -> int:
        return error.status

    def error(self, error: OctorouteError, request_id: str) -> bytes:
        return write_error(error, request_id)

    def error_event(self, error: OctorouteError, request_id: str) -> bytes:
        return ResponsesEncoder(model="", created_s=0, echo={}).fail(error, request_id)


def _echo(request: Request) -> dict[str, object]:
    """The request's own values, as bytes; the encoder has defaults for those that are null."""
    assert isinstance(request.body, RequestBody)
    values = {name: value for name, value in request.body.values.items() if name in ECHOED and bytes(value) != b"null"}
    return {name: value for name, value in values.items() if name not in _OBJECTS or request.body.is_set(name)}


def _facts(request: schema.Request, body: RequestBody, headers: Mapping[str, str]) -> Facts:
    facts = FactsBuilder()
    if request.instructions:
        facts.message("system", request.instructions)
    if isinstance(request.input, str):
        facts.message("user", request.input)
    else:
        for item in request.input or ():
            _note(item, facts)
    if body.is_set("tools"):
        facts.tools = True
        facts.extra_chars += len(memoryview(body.values["tools"]))
    wanted = request.text.format if request.text is not None else None
    facts.json = wanted is not None and wanted.type != "text"
    return facts.build(read_hints(body, headers), output_tokens=request.max_output_tokens)


def _measured(item: schema.Item) -> HistoryMessage:
    facts = FactsBuilder()
    _note(item, facts)
    if item.type == "message":
        kind: Kind = "assistant" if item.role == "assistant" else "system" if item.role in {"system", "developer"} else "user"
        return HistoryMessage(kind, facts.chars)
    return HistoryMessage("results" if item.type.endswith("_output") else "assistant", facts.chars)


def _note(item: schema.Item, facts: FactsBuilder) -> None:
    texts: list[str] = []
    for content in (item.content, item.output):
        if isinstance(content, str):
            texts.append(content)
            continue
        for part in content or ():
            if part.text is not None:
                texts.append(part.text)
            elif part.type == "input_image":
                facts.images += 1
            elif part.type == "input_file":
                facts.attachments = True
    if item.type == "message":
        facts.message(item.role or "user", "\n".join(texts))
    else:
        facts.tools = facts.tools or item.type.startswith("function_call")
        facts.extra_chars += sum(map(len, texts)) + len(item.arguments or "")
        if item.type.endswith("_output"):
            facts.results_at = len(facts.messages)
