"""A simulated model server: HTTP and SSE in OpenAI's format at the pace of a model, with `[simulated]` in every response.

It does not depend on the gateway. While `available` is False it answers 503 to every request.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from octoroute.cli.demo.schema import ChatRequest, Function, Message, ResponseFormat, Tool
from octoroute.cli.demo.script import AFTER_A_TOOL, ANSWERS, ANY_ANSWER, MARK, ModelProfile
from octoroute.domain.endpoint import CHAT_TIERS, Tier

_WORD = re.compile(r"\s*\S+")
_HARD = re.compile(r"\b(?:prove|proof|why|design|derive|optimal|architecture|strategy|reason)\b", re.IGNORECASE)
_QUOTED_PROMPT = re.compile(r'^"(.*)"$', re.MULTILINE)
_QUOTED_CHARS = 80
_SHORT_WORDS = 12
_MAX_DEPTH = 8
_EXAMPLES = {"string": "simulated", "integer": 8, "number": 8.0, "boolean": True, "null": None}


class SimulatedReply(msgspec.Struct, frozen=True, kw_only=True):
    """A reply: words, or one tool call. `call`: in OpenAI's format; None: no tool call."""

    words: Sequence[str] = ()
    call: Mapping[str, Any] | None = None
    finish: str = "stop"


class ModelServer:
    """An ASGI application that simulates the server of one profile."""

    def __init__(self, profile: ModelProfile) -> None:
        self.profile = profile
        self.available = True
        self._served = 0
        self._app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models),
            ]
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not self.available:
            await _error(503, "the simulated server is unavailable", "unavailable")(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _models(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "simulated"} for name in self.profile.models]
        return _json({"object": "list", "data": rows})

    async def _chat(self, http_request: Request) -> Response:
        try:
            request = msgspec.json.decode(await http_request.body(), type=ChatRequest)
        except (ValueError, RecursionError) as error:
            return _error(400, str(error), "invalid_request")
        if request.model not in self.profile.models:
            return _error(404, f"this simulated server has {', '.join(self.profile.models)}", "model_not_found")
        reply = reply_to(request)
        self._served += 1
        head = {"id": f"chatcmpl-simulated-{self._served}", "created": 0, "model": request.model, "system_fingerprint": "simulated"}
        if request.stream:
            return StreamingResponse(self._stream(request, reply, head), media_type="text/event-stream")
        await asyncio.sleep(self.profile.first_word_s + len(reply.words) / self.profile.words_per_s)
        message: dict[str, Any] = {"role": "assistant", "content": "".join(reply.words) or None}
        if reply.call:
            message["tool_calls"] = [reply.call]
        choice = {"index": 0, "message": message, "finish_reason": reply.finish, "logprobs": None}
        return _json(head | {"object": "chat.completion", "choices": [choice], "usage": usage(request, reply)})

    async def _stream(self, request: ChatRequest, reply: SimulatedReply, head: Mapping[str, Any]) -> AsyncIterator[bytes]:
        counts = request.stream_options is not None and request.stream_options.include_usage

        def chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
            usage_field = {"usage": None} if counts else {}
            return _frame({**head, "object": "chat.completion.chunk", "choices": [choice], **usage_field})

        await asyncio.sleep(self.profile.first_word_s)
        yield chunk({"role": "assistant", "content": None if reply.call else ""})
        if reply.call:
            yield chunk({"tool_calls": [{"index": 0, **reply.call}]})
        for word in reply.words:
            yield chunk({"content": word})
            await asyncio.sleep(1 / self.profile.words_per_s)
        yield chunk({}, reply.finish)
        if counts:
            yield _frame({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage(request, reply)})
        yield b"data: [DONE]\n\n"


def reply_to(request: ChatRequest) -> SimulatedReply:
    schema = _schema(request.response_format)
    last = request.messages[-1] if request.messages else Message("user")
    if schema is not None:
        content = {"tier": tier_for(last.text)} if _wants_tier(schema) else example(schema)
        return SimulatedReply(words=_words(msgspec.json.encode(content).decode()))
    function = _function(request) if last.role != "tool" else None
    if function is not None:
        arguments = msgspec.json.encode(example(function.parameters)).decode()
        call = {"id": "call_simulated", "type": "function", "function": {"name": function.name, "arguments": arguments}}
        return SimulatedReply(call=call, finish="tool_calls")
    words = _words(f"{MARK} {_answer(request, last)}")
    limit = request.max_completion_tokens or request.max_tokens
    if limit and len(words) > limit:
        return SimulatedReply(words=words[:limit], finish="length")
    return SimulatedReply(words=words)


def _answer(request: ChatRequest, last: Message) -> str:
    text = " ".join(last.text.split())
    short = text if len(text) <= _QUOTED_CHARS else f"{text[:_QUOTED_CHARS]}…"
    if last.role == "tool":
        return AFTER_A_TOOL.format(result=short)
    return ANSWERS.get(text) or ANY_ANSWER.format(model=request.model, question=f"“{short}”")


def tier_for(question: str) -> Tier:
    """Return the decision of the simulated router model, by keyword and length of the prompt."""
    quoted = _QUOTED_PROMPT.findall(question)
    text = quoted[-1] if quoted else question
    if _HARD.search(text):
        return Tier.DEEP
    return Tier.FAST if len(text.split()) <= _SHORT_WORDS else Tier.BALANCED


def example(schema: Mapping[str, Any], depth: int = 0) -> object:
    """Return a value that matches the JSON schema; None below a depth of `_MAX_DEPTH`."""
    kind = schema.get("type")
    if depth > _MAX_DEPTH:
        return None
    if schema.get("enum"):
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    for several in ("anyOf", "oneOf", "allOf"):
        if schema.get(several):
            return example(schema[several][0], depth + 1)
    if kind == "array":
        return [example(schema.get("items", {}), depth + 1)]
    if kind in _EXAMPLES:
        return _EXAMPLES[kind]
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    return {name: example(part, depth + 1) for name, part in properties.items()}


def usage(request: ChatRequest, reply: SimulatedReply) -> dict[str, int]:
    """Return the token counts; every word counts as one token."""
    prompt = sum(len(message.text.split()) for message in request.messages)
    completion = len(reply.words) or 8
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _function(request: ChatRequest) -> Function | None:
    """Return the function to call: the one that `tool_choice` names, otherwise the first; None: no call."""
    functions = [tool.function for tool in request.tools or ()]
    if not functions or request.tool_choice == "none":
        return None
    if isinstance(request.tool_choice, Tool):
        wanted = request.tool_choice.function.name
        return next((function for function in functions if function.name == wanted), None)
    return functions[0]


def _schema(wanted: ResponseFormat | None) -> Mapping[str, Any] | None:
    if wanted is None or wanted.type == "text":
        return None
    return wanted.json_schema.schema if wanted.json_schema else {"properties": {"answer": {"type": "string"}}}


def _wants_tier(schema: Mapping[str, Any]) -> bool:
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    return set(properties.get("tier", {}).get("enum", ())) == set(CHAT_TIERS)


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _frame(value: object) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _error(status: int, message: str, code: str) -> Response:
    return _json({"error": {"message": message, "type": "simulated", "param": None, "code": code}}, status)
