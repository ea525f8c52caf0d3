"""Clients that speak Messages: the gateway checks the fields that it reads, and keeps the rest as bytes.

A request goes unchanged to endpoints that speak the same format, and through the hub to others. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from octoroute.dialects.anthropic import foreign_fields
from octoroute.dialects.anthropic.errors import error_event, error_status, write_error
from octoroute.dialects.anthropic.models import AnthropicModels
from octoroute.dialects.anthropic.request_decoder import decode_request
from octoroute.dialects.anthropic.response import encode_response
from octoroute.dialects.anthropic.schema import ThinkingConfig
from octoroute.dialects.anthropic.stream_encoder import PING, AnthropicEncoder
from octoroute.dialects.base import Inbound, ModelCatalog
from octoroute.dialects.request.body import RequestBody, decode, encode
from octoroute.dialects.request.facts import ABSENT, FactsBuilder, auto_at, read_hints
from octoroute.dialects.request.truncation import History, HistoryMessage
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import Event
from octoroute.domain.principal import Principal
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest, OctorouteError


class _Block(msgspec.Struct):
    type: str = ""
    text: str | None = None
    content: str | list[_Block] | _Block | None = None
    thinking: msgspec.Raw = msgspec.Raw(b"")
    input: msgspec.Raw = msgspec.Raw(b"")
    source: msgspec.Raw = msgspec.Raw(b"")


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Block]


class _Binding(msgspec.Struct):
    prefix_mismatch_behavior: str | None = None


class _Thinking(msgspec.Struct):
    budget_tokens: int | None = None
    block_binding: _Binding | None = None


class _Config(msgspec.Struct):
    format: Any = None


_MODEL = msgspec.json.Decoder(str)
_BOOL = msgspec.json.Decoder(bool | None)
_WHOLE = msgspec.json.Decoder(int | None)
_NUMBER = msgspec.json.Decoder(float | None)
_SYSTEM = msgspec.json.Decoder(str | list[_Block] | None)
_THINKING = msgspec.json.Decoder(_Thinking | None)
_THINKING_CONFIG = msgspec.json.Decoder(ThinkingConfig | None)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_CONFIG = msgspec.json.Decoder(_Config | None)

_MAX_DEPTH = 100
_FRACTIONS = ("temperature", "top_p")
_FILES = frozenset({"document", "container_upload"})
_TOOL_BLOCKS = frozenset({"tool_use", "tool_result"})


class AnthropicInbound(Inbound):
    name = "anthropic"
    keep_alive = PING
    paths: tuple[str, ...] = ("/v1/messages",)
    count_path: str | None = "/v1/messages/count_tokens"
    id_header = "request-id"
    version_header: str | None = "anthropic-version"
    model_classes: Mapping[str, Tier] = {"opus": Tier.DEEP, "sonnet": Tier.BALANCED, "haiku": Tier.FAST}
    answers_json = True
    models: ModelCatalog = AnthropicModels()

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None) -> Request:
        parsed = RequestBody.parse(body)
        model = parsed.decode("model", _MODEL)
        if model is None or not model.strip():
            raise BadRequest('model: is missing; send "auto", a tier, or a configured name', param="model")
        model, _ = auto_at(model)
        for name in _FRACTIONS:
            number = parsed.decode(name, _NUMBER)
            if number is not None and not 0 <= number <= 1:
                raise BadRequest(f"{name}: must be between 0 and 1", param=name)
        max_tokens = parsed.decode("max_tokens", _WHOLE)
        if max_tokens is not None and max_tokens < 0:
            raise BadRequest("max_tokens: must be at least 0", param="max_tokens")
        return Request(
            id=request_id,
            dialect=self.name,
            model=model,
            stream=parsed.decode("stream", _BOOL) or False,
            body=parsed,
            facts=_facts(parsed, headers, max_tokens),
            headers=headers,
            principal=principal,
            warms=max_tokens == 0,
            wants_usage=True,
        )

    def with_model(self, request: Request, model: str) -> bytes:
        """Also without thinking that octoroute signed for other models: Anthropic would refuse the signature."""
        assert isinstance(request.body, RequestBody)
        return request.body.with_values({"model": encode(model), "octoroute": None, **foreign_fields.remove_thinking(request.body)})

    def history(self, request: Request) -> History:
        body = request.body
        assert isinstance(body, RequestBody)
        config = body.decode("thinking", _THINKING)
        budget = config.budget_tokens if config is not None else None
        return History(
            "messages",
            decode(body.values["messages"], _RAWS, "messages"),
            [_measured(message) for message in read_messages(body)],
            min_output_tokens=(budget or 0) + 1,
        )

    def strip_signed_thinking(self, request: Request) -> Request | None:
        """Unchanged where the client has told Anthropic to drop blocks that no longer match."""
        body = request.body
        assert isinstance(body, RequestBody)
        config = body.decode("thinking", _THINKING)
        mismatch = (
            config.block_binding.prefix_mismatch_behavior if config is not None and config.block_binding is not None else None
        )
        changes = foreign_fields.remove_thinking(body, every=True)
        if mismatch == "drop_block" or not changes:
            return request
        if mismatch is not None:
            return None
        return self.read(body.with_values(changes), request_id=request.id, headers=request.headers, principal=request.principal)

    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:
        del endpoint  # the request holds all
        assert isinstance(request.body, RequestBody)
        return decode_request(request.body.raw)

    def encoder(self, request: Request) -> AnthropicEncoder:
        return AnthropicEncoder(
            model=request.model, input_tokens=request.facts.context_tokens, show_thinking=_shows_thinking(request)
        )

    def encode_response(self, request: Request, events: Sequence[Event]) -> bytes:
        return encode_response(
            events, model=request.model, input_tokens=request.facts.context_tokens, show_thinking=_shows_thinking(request)
        )

    def status(self, error: OctorouteError) -> int:
        return error_status(error)

    def error(self, error: OctorouteError, request_id: str) -> bytes:
        return write_error(error, request_id)

    def error_event(self, error: OctorouteError, request_id: str) -> bytes:
        return error_event(error, request_id)


def _shows_thinking(request: Request) -> bool:
    """Whether the client asks for thinking and to see it."""
    assert isinstance(request.body, RequestBody)
    config = request.body.decode("thinking", _THINKING_CONFIG)
    return config is not None and config.type != "disabled" and config.display != "omitted"


def read_messages(body: RequestBody) -> list[_Message]:
    """At least one. Raises BadRequest naming the path."""
    messages = body.values.get("messages")
    if messages is None:
        raise BadRequest("messages: must be a list of at least one message", param="messages")
    decoded = decode(messages, _MESSAGES, "messages")
    if not decoded:
        raise BadRequest("messages: must be a list of at least one message", param="messages")
    return decoded


_MESSAGES = msgspec.json.Decoder(list[_Message])


def _facts(body: RequestBody, headers: Mapping[str, str], max_tokens: int | None) -> Facts:
    facts = FactsBuilder()
    system = body.decode("system", _SYSTEM)
    if system is not None:
        facts.message("system", system if isinstance(system, str) else _text_of(system, facts))
    for message in read_messages(body):
        content = message.content
        facts.message(message.role, content if isinstance(content, str) else _text_of(content, facts))
    facts.offered_tools(body.values.get("tools", ABSENT))
    config = body.decode("output_config", _CONFIG)
    facts.json = body.is_set("output_format") or (config is not None and config.format is not None)
    return facts.build(read_hints(body, headers), output_tokens=max_tokens or None)


def _measured(message: _Message) -> HistoryMessage:
    facts = FactsBuilder()
    content = message.content
    text = content if isinstance(content, str) else _text_of(content, facts)
    facts.message(message.role, text)
    if message.role == "user" and not isinstance(content, str) and any(block.type == "tool_result" for block in content):
        return HistoryMessage("results", facts.chars, has_user_text=bool(text.strip()))
    return HistoryMessage(
        "system" if message.role == "system" else "assistant" if message.role == "assistant" else "user", facts.chars
    )


def _text_of(blocks: Sequence[_Block], facts: FactsBuilder, depth: int = 0) -> str:
    """The text that a user sees. Images and files are counted at any depth, also in tool results."""
    if depth > _MAX_DEPTH:  # the decoder allows more levels than the stack does
        raise BadRequest("the content is nested too deeply")
    texts: list[str] = []
    for block in blocks:
        if block.text is not None:
            texts.append(block.text)
        elif block.type == "image":
            facts.images += 1
        elif block.type in _FILES:
            facts.file(block.source)
        facts.extra_chars += len(memoryview(block.thinking)) + len(memoryview(block.input))
        facts.tools = facts.tools or block.type in _TOOL_BLOCKS
        inner = block.content
        if isinstance(inner, str):
            facts.extra_chars += len(inner)
        elif inner is not None:
            facts.extra_chars += len(_text_of(inner if isinstance(inner, list) else [inner], facts, depth + 1))
    return "\n".join(texts)
