"""Clients that speak Chat Completions: the gateway checks the fields that it reads, and keeps the rest as bytes.

A request goes unchanged to endpoints that speak the same format, and through the hub to others. Pure but for a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from octoroute.dialects.base import Inbound, ModelCatalog
from octoroute.dialects.openai.errors import error_event, write_error
from octoroute.dialects.openai.fast_request import (
    FastFormat,
    FastMessage,
    FastStreamOptions,
    note_messages,
    read_fast_request,
)
from octoroute.dialects.openai.function_call import FunctionCallEncoder, wants_function_call
from octoroute.dialects.openai.models import OpenAIModels
from octoroute.dialects.openai.request_decoder import decode_request
from octoroute.dialects.openai.response import encode_response
from octoroute.dialects.openai.stream_encoder import OpenAIEncoder
from octoroute.dialects.request.body import PassedBody, RequestBody, decode, encode
from octoroute.dialects.request.facts import ABSENT, FactsBuilder, all_hints, auto_at, read_hints
from octoroute.dialects.request.truncation import History, HistoryMessage, Kind
from octoroute.dialects.response import sse
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import Event
from octoroute.domain.principal import Principal
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest, OctorouteError

_OPTIONS = msgspec.json.Decoder(FastStreamOptions | None)
_MODEL = msgspec.json.Decoder(str)
_MESSAGES = msgspec.json.Decoder(list[FastMessage])
_FIELDS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_SIGNED_FIELDS = frozenset({"reasoning_details", "thinking_blocks"})
"""Fields of an assistant message whose signatures only their issuer can verify."""
_SIGNED = tuple(name.encode() for name in _SIGNED_FIELDS)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_FORMAT = msgspec.json.Decoder(FastFormat | None)
_BOOL = msgspec.json.Decoder(bool | None)

_NUMBER = msgspec.json.Decoder(float | None)
_WHOLE = msgspec.json.Decoder(int | None)


def _between(low: float, high: float) -> Callable[[str, msgspec.Raw], None]:
    def check(name: str, value: msgspec.Raw) -> None:
        number = decode(value, _NUMBER, name)
        if number is not None and not low <= number <= high:
            raise BadRequest(f"{name}: must be between {low:g} and {high:g}", param=name)

    return check


def _at_least(low: int, *also: int) -> Callable[[str, msgspec.Raw], None]:
    def check(name: str, value: msgspec.Raw) -> None:
        number = decode(value, _WHOLE, name)
        if number is not None and number < low and number not in also:
            raise BadRequest(f"{name}: must be at least {low}", param=name)

    return check


_CHECKS: Mapping[str, Callable[[str, msgspec.Raw], None]] = {
    "temperature": _between(0, 2),
    "top_p": _between(0, 1),
    "presence_penalty": _between(-2, 2),
    "frequency_penalty": _between(-2, 2),
    "max_tokens": _at_least(1, -1),  # -1: "no limit" in LM Studio and llama.cpp
    "max_completion_tokens": _at_least(1, -1),
    "n": _at_least(1),
}
"""Fields whose limits the format itself sets. All other fields are left to the endpoint's judgement."""

BUDGETS = ("max_completion_tokens", "max_tokens")
"""The first one present counts."""
_KINDS: Mapping[str, Kind] = {
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "tool": "results",
    "function": "results",
}


class OpenAIInbound(Inbound):
    name = "openai"
    api = "chat"
    keep_alive = sse.KEEP_ALIVE
    paths: tuple[str, ...] = ("/v1/chat/completions",)
    count_path: str | None = None
    id_header = "x-request-id"
    version_header: str | None = None
    model_classes: Mapping[str, Tier] = {}
    answers_json = True
    models: ModelCatalog = OpenAIModels()

    def __init__(self, wall: Callable[[], float]) -> None:
        """`wall`: seconds since the epoch, for the dates in responses."""
        self._wall = wall

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None) -> Request:
        parsed = RequestBody.parse(body)
        fast = read_fast_request(body)
        if fast is None:
            return self.read_by_field(parsed, request_id=request_id, headers=headers, principal=principal)
        model, quality = auto_at(fast.model)
        stream = fast.stream or False
        return Request(
            id=request_id,
            dialect=self.name,
            model=model,
            stream=stream,
            body=parsed,
            facts=fast.facts(all_hints(fast.octoroute, quality, headers), parsed.wide_bytes),
            headers=headers,
            principal=principal,
            api=self.api,
            wants_usage=stream and fast.wants_usage,
        )

    def read_by_field(
        self, parsed: RequestBody, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None
    ) -> Request:
        """As `read`, for requests that `read_fast_request` leaves to it. Raises BadRequest naming the first invalid field."""
        model, _ = auto_at(read_model(parsed))
        stream = parsed.decode("stream", _BOOL) or False
        for name, value in parsed.values.items():
            check = _CHECKS.get(name)
            if check is not None:
                check(name, value)
        return Request(
            id=request_id,
            dialect=self.name,
            model=model,
            stream=stream,
            body=parsed,
            facts=self.facts(parsed, headers),
            headers=headers,
            principal=principal,
            api=self.api,
            wants_usage=stream and _wants_usage(parsed),
        )

    def facts(self, body: RequestBody, headers: Mapping[str, str]) -> Facts:
        return _facts(body, headers)

    def with_model(self, request: Request, model: str) -> bytes:
        body = request.body
        if isinstance(body, RequestBody):
            return body.with_values({"model": encode(model), "octoroute": None})
        assert isinstance(body, PassedBody)
        return body.with_model(model)

    def history(self, request: Request) -> History | None:
        body = request.body
        assert isinstance(body, RequestBody)
        raws, messages = body.decode("messages", _RAWS), body.decode("messages", _MESSAGES)
        if not raws or not messages:
            return None
        return History("messages", raws, [_measured(message) for message in messages], BUDGETS)

    def strip_signed_thinking(self, request: Request) -> Request:
        body = request.body
        if not isinstance(body, RequestBody):  # a form has none
            return request
        if not any(field in body.raw for field in _SIGNED):
            return request
        messages = body.decode("messages", _FIELDS) or []
        kept = [{name: value for name, value in message.items() if name not in _SIGNED_FIELDS} for message in messages]
        if kept == messages:
            return request
        changed = body.with_values({"messages": encode(kept)})
        return self.read(changed, request_id=request.id, headers=request.headers, principal=request.principal)

    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:
        del endpoint  # the request holds all
        assert isinstance(request.body, RequestBody)
        return decode_request(request.body.raw)

    def encoder(self, request: Request) -> OpenAIEncoder:
        encoder = FunctionCallEncoder if wants_function_call(request.body) else OpenAIEncoder
        return encoder(
            model=request.model,
            created_s=int(self._wall()),
            include_usage=request.wants_usage,
            input_tokens=request.facts.context_tokens,
        )

    def encode_response(self, request: Request, events: Sequence[Event]) -> bytes:
        return encode_response(
            events,
            model=request.model,
            created_s=int(self._wall()),
            input_tokens=request.facts.context_tokens,
            function_call=wants_function_call(request.body),
        )

    def status(self, error: OctorouteError) -> int:
        return error.status

    def error(self, error: OctorouteError, request_id: str) -> bytes:
        return write_error(error, request_id)

    def error_event(self, error: OctorouteError, request_id: str) -> bytes:
        return error_event(error, request_id)


def read_model(body: RequestBody) -> str:
    model = body.decode("model", _MODEL)
    if model is None:
        raise BadRequest('model: is missing; send "auto", a tier, or a configured name', param="model")
    if not model.strip():
        raise BadRequest('model: is empty; send "auto", a tier, or a configured name', param="model")
    return model


def _wants_usage(body: RequestBody) -> bool:
    options = body.decode("stream_options", _OPTIONS)
    return options is not None and bool(options.include_usage)


def _facts(body: RequestBody, headers: Mapping[str, str]) -> Facts:
    messages = body.decode("messages", _MESSAGES)
    if not messages:
        raise BadRequest("messages: must be a list of at least one message", param="messages")
    facts = FactsBuilder(body.wide_bytes)
    note_messages(messages, facts)
    for name in ("tools", "functions"):
        facts.offered_tools(body.values.get(name, ABSENT))
    answer_format = body.decode("response_format", _FORMAT)
    facts.json = answer_format is not None and answer_format.type != "text"
    return facts.build(read_hints(body, headers), output_tokens=_output_tokens(body))


def _measured(message: FastMessage) -> HistoryMessage:
    facts = FactsBuilder()
    note_messages([message], facts)
    return HistoryMessage(_KINDS.get(message.role, "user"), facts.chars)


def _output_tokens(body: RequestBody) -> int | None:
    for name in BUDGETS:
        number = body.decode(name, _WHOLE)
        if number is not None:
            return number if number > 0 else None
    return None
