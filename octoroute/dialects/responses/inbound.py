"""Clients that speak Responses: the gateway checks the fields that it reads, and keeps the rest as bytes.

A request goes unchanged to endpoints that are asked in the same format, and through the hub to others. Pure but for a clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import msgspec

from octoroute.dialects.base import Encoder, Inbound, ModelCatalog
from octoroute.dialects.openai.errors import write_error
from octoroute.dialects.openai.inbound import read_model
from octoroute.dialects.openai.models import OpenAIModels
from octoroute.dialects.request.body import RequestBody, decode, encode
from octoroute.dialects.request.facts import ABSENT, FactsBuilder, auto_at, read_hints
from octoroute.dialects.request.json_input import read_request
from octoroute.dialects.request.truncation import History, HistoryMessage, Kind
from octoroute.dialects.response import sse
from octoroute.dialects.responses import schema
from octoroute.dialects.responses.compaction import wants_summary
from octoroute.dialects.responses.compaction_encoder import CompactionEncoder
from octoroute.dialects.responses.foreign_items import disown_reasoning, remove_own_reasoning
from octoroute.dialects.responses.request_decoder import client_tools, decode_request, reject_state
from octoroute.dialects.responses.response import ECHOED, encode_response
from octoroute.dialects.responses.stream_encoder import ResponsesEncoder
from octoroute.dialects.responses.tools import ToolTable
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import Event
from octoroute.domain.principal import Principal
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest, OctorouteError

_REQUEST = msgspec.json.Decoder(schema.Request)
_TOOL_ITEMS = ("_call", "_call_output")
_OBJECTS = ("reasoning", "text")
"""Echoed only where they are set: null stands for an object of defaults."""


class ResponsesInbound(Inbound):
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

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None) -> Request:
        parsed = RequestBody.parse(body)
        model, _ = auto_at(read_model(parsed))
        request = read_request(_REQUEST, body)
        reject_state(request)
        if not request.input:
            raise BadRequest("input: is empty; send a string or a list of items", param="input")
        return Request(
            id=request_id,
            dialect=self.name,
            model=model,
            stream=bool(request.stream),
            body=parsed,
            facts=_facts(request, parsed, headers),
            headers=headers,
            principal=principal,
            wants_usage=True,
        )

    def with_model(self, request: Request, model: str) -> bytes:
        body = request.body
        assert isinstance(body, RequestBody)
        changes = {"model": encode(model), "octoroute": None, "previous_response_id": None}  # whose items are in `input` by now
        return body.with_values({**remove_own_reasoning(body), **changes})

    def history(self, request: Request) -> History | None:
        body = request.body
        assert isinstance(body, RequestBody)
        raws = decode(body.values["input"], schema.INPUT_ITEMS, "input")
        if not raws or isinstance(raws, str):
            return None
        return History("input", raws, [_measured(item) for item in schema.read_items(raws)], ("max_output_tokens",))

    def strip_signed_thinking(self, request: Request) -> Request:
        body = request.body
        assert isinstance(body, RequestBody)
        changes = disown_reasoning(body)
        return msgspec.structs.replace(request, body=RequestBody.parse(body.with_values(changes))) if changes else request

    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:
        del endpoint  # the request holds all
        assert isinstance(request.body, RequestBody)
        return decode_request(request.body.raw)

    def encoder(self, request: Request) -> Encoder:
        assert isinstance(request.body, RequestBody)
        encoder = ResponsesEncoder(
            model=request.model,
            created_s=int(self._wall()),
            echo=_echo(request),
            tools=_tools(request),
            input_tokens=request.facts.context_tokens,
        )
        return CompactionEncoder(encoder) if wants_summary(request.body) else encoder

    def encode_response(self, request: Request, events: Sequence[Event]) -> bytes:
        assert isinstance(request.body, RequestBody)
        return encode_response(
            events,
            model=request.model,
            created_s=int(self._wall()),
            echo=_echo(request),
            tools=_tools(request),
            compacts=wants_summary(request.body),
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


def _tools(request: Request) -> ToolTable:
    assert isinstance(request.body, RequestBody)
    return client_tools(request.body)


def _facts(request: schema.Request, body: RequestBody, headers: Mapping[str, str]) -> Facts:
    facts = FactsBuilder()
    if request.instructions:
        facts.message("system", request.instructions)
    if isinstance(request.input, str):
        facts.message("user", request.input)
    else:
        for item in schema.read_items(request.input or ()):
            _note(item, facts)
    facts.offered_tools(body.values.get("tools", ABSENT))
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
    if isinstance(item.content, str):
        texts.append(item.content)
    for part in item.content or () if not isinstance(item.content, str) else ():
        if part.text is not None:
            texts.append(part.text)
        elif part.type == "input_image":
            facts.images += 1
        elif part.type in {"input_file", "input_audio"}:
            facts.attachments = True
    if item.type == "message":
        facts.message(item.role or "user", "\n".join(texts))
        return
    facts.tools = facts.tools or item.type.endswith(_TOOL_ITEMS)
    if item.type.endswith("_output"):
        facts.results_at = len(facts.messages)
    facts.extra_chars += sum(map(len, texts))
    for value in (item.arguments, item.input, item.output, item.action, item.tools):
        _measure(value, facts)


def _measure(value: Any, facts: FactsBuilder) -> None:
    """Count what a call or a result says, whatever its shape; an image by its number, not by its data."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            facts.extra_chars += len(value)
        elif isinstance(value, msgspec.Raw):
            facts.extra_chars += len(memoryview(value))
        elif isinstance(value, list):
            waiting += cast("list[Any]", value)
        elif isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            if "image_url" in fields:
                facts.images += 1
            else:
                waiting += fields.values()
