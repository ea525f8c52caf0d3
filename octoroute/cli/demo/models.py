"""A model server that only pretends: real HTTP, real SSE at a model's pace, OpenAI's format, and `[simulated]` in every answer.

It knows nothing of the gateway. `plugged` off, it answers 503 to everything.
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

from octoroute.cli.demo.script import AFTER_A_TOOL, ANSWERS, ANY_ANSWER, MARK, Character
from octoroute.domain.endpoint import CHAT_TIERS, Tier

_WORD = re.compile(r"\s*\S+")
_HARD = re.compile(r"\b(?:prove|proof|why|design|derive|optimal|architecture|strategy|reason)\b", re.IGNORECASE)
_ASKED_ABOUT = re.compile(r'^"(.*)"$', re.MULTILINE)
_QUOTED_CHARS = 80
_SHORT_WORDS = 12
_DEEPEST = 8
_EXAMPLES = {"string": "simulated", "integer": 8, "number": 8.0, "boolean": True, "null": None}


class Part(msgspec.Struct):
    text: str = ""


class Message(msgspec.Struct):
    role: str
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return " ".join(part.text for part in self.content or ())


class Function(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class Tool(msgspec.Struct):
    function: Function


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class JsonSchema(msgspec.Struct):
    schema: dict[str, Any] = {}


class ResponseFormat(msgspec.Struct):
    type: str
    json_schema: JsonSchema | None = None


class ChatRequest(msgspec.Struct):
    """What it reads of a chat-completions body; it takes all the rest without a word, as model servers do."""

    model: str
    messages: list[Message]
    stream: bool = False
    stream_options: StreamOptions | None = None
    tools: list[Tool] | None = None
    tool_choice: str | Tool | None = None
    response_format: ResponseFormat | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


class SimulatedReply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: its words, or a call of a tool."""

    words: Sequence[str] = ()
    call: Mapping[str, Any] | None = None
    finish: str = "stop"


class ModelServer:
    """An ASGI application."""

    def __init__(self, character: Character) -> None:
        self.character = character
        self.plugged = True
        self._served = 0
        self._app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models),
            ]
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not self.plugged:
            await _error(503, "the simulated server is unplugged", "unplugged")(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _models(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "simulated"} for name in self.character.models]
        return _json({"object": "list", "data": rows})

    async def _chat(self, request: Request) -> Response:
        try:
            asked = msgspec.json.decode(await request.body(), type=ChatRequest)
        except (ValueError, RecursionError) as error:
            return _error(400, str(error), "invalid_request")
        if asked.model not in self.character.models:
            return _error(404, f"this simulated server has {', '.join(self.character.models)}", "model_not_found")
        said = say(asked)
        self._served += 1
        head = {"id": f"chatcmpl-simulated-{self._served}", "created": 0, "model": asked.model, "system_fingerprint": "simulated"}
        if asked.stream:
            return StreamingResponse(self._stream(asked, said, head), media_type="text/event-stream")
        await asyncio.sleep(self.character.first_word_s + len(said.words) / self.character.words_per_s)
        message: dict[str, Any] = {"role": "assistant", "content": "".join(said.words) or None}
        if said.call:
            message["tool_calls"] = [said.call]
        choice = {"index": 0, "message": message, "finish_reason": said.finish, "logprobs": None}
        return _json(head | {"object": "chat.completion", "choices": [choice], "usage": usage(asked, said)})

    async def _stream(self, asked: ChatRequest, said: SimulatedReply, head: Mapping[str, Any]) -> AsyncIterator[bytes]:
        counts = asked.stream_options is not None and asked.stream_options.include_usage

        def chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
            usage_field = {"usage": None} if counts else {}
            return _frame({**head, "object": "chat.completion.chunk", "choices": [choice], **usage_field})

        await asyncio.sleep(self.character.first_word_s)
        yield chunk({"role": "assistant", "content": None if said.call else ""})
        if said.call:
            yield chunk({"tool_calls": [{"index": 0, **said.call}]})
        for word in said.words:
            yield chunk({"content": word})
            await asyncio.sleep(1 / self.character.words_per_s)
        yield chunk({}, said.finish)
        if counts:
            yield _frame({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage(asked, said)})
        yield b"data: [DONE]\n\n"


def say(asked: ChatRequest) -> SimulatedReply:
    schema = _schema(asked.response_format)
    last = asked.messages[-1] if asked.messages else Message("user")
    if schema is not None:
        content = {"tier": tier_for(last.text)} if _wants_tier(schema) else example(schema)
        return SimulatedReply(words=_words(msgspec.json.encode(content).decode()))
    function = _function(asked) if last.role != "tool" else None
    if function is not None:
        arguments = msgspec.json.encode(example(function.parameters)).decode()
        call = {"id": "call_simulated", "type": "function", "function": {"name": function.name, "arguments": arguments}}
        return SimulatedReply(call=call, finish="tool_calls")
    words = _words(f"{MARK} {_answer(asked, last)}")
    limit = asked.max_completion_tokens or asked.max_tokens
    if limit and len(words) > limit:
        return SimulatedReply(words=words[:limit], finish="length")
    return SimulatedReply(words=words)


def _answer(asked: ChatRequest, last: Message) -> str:
    text = " ".join(last.text.split())
    short = text if len(text) <= _QUOTED_CHARS else f"{text[:_QUOTED_CHARS]}…"
    if last.role == "tool":
        return AFTER_A_TOOL.format(result=short)
    return ANSWERS.get(text) or ANY_ANSWER.format(model=asked.model, question=f"“{short}”")


def tier_for(question: str) -> Tier:
    """As the routing model: by a word and by length, which is all that a pretender can judge."""
    quoted = _ASKED_ABOUT.findall(question)
    text = quoted[-1] if quoted else question
    if _HARD.search(text):
        return Tier.DEEP
    return Tier.FAST if len(text.split()) <= _SHORT_WORDS else Tier.BALANCED


def example(schema: Mapping[str, Any], depth: int = 0) -> object:
    """Something of that JSON schema's shape."""
    kind = schema.get("type")
    if depth > _DEEPEST:
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


def usage(asked: ChatRequest, said: SimulatedReply) -> dict[str, int]:
    """A word is a token here."""
    prompt = sum(len(message.text.split()) for message in asked.messages)
    completion = len(said.words) or 8
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _function(asked: ChatRequest) -> Function | None:
    """The function to call: the one that was chosen, else the first."""
    functions = [tool.function for tool in asked.tools or ()]
    if not functions or asked.tool_choice == "none":
        return None
    if isinstance(asked.tool_choice, Tool):
        wanted = asked.tool_choice.function.name
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
