"""Anthropic's server: Messages, requests checked against the SDK's TypedDicts, answers and events made of its models."""

from __future__ import annotations

import itertools
import json
import zlib
from typing import Any

from anthropic.types import (
    Message,
    RawContentBlockDeltaEvent,
    RawContentBlockStartEvent,
    RawContentBlockStopEvent,
    RawMessageDeltaEvent,
    RawMessageStartEvent,
    RawMessageStopEvent,
)
from anthropic.types.beta import message_create_params as beta
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming

from tests.support.fake import Seen, event
from tests.support.vendors.base import Asked, Call, Image, Result, Says, Thought, check
from tests.support.vendors.openai import pieces
from tests.support.vendors.strict import problems

_STOPS = {"stop": "end_turn", "tools": "tool_use", "length": "max_tokens", "refusal": "refusal"}
_EVENTS = {
    "message_start": RawMessageStartEvent,
    "content_block_start": RawContentBlockStartEvent,
    "content_block_delta": RawContentBlockDeltaEvent,
    "content_block_stop": RawContentBlockStopEvent,
    "message_delta": RawMessageDeltaEvent,
    "message_stop": RawMessageStopEvent,
}
_TYPES = {404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}


class Anthropic:
    kind = "anthropic"
    model = "claude-sonnet-5"
    path = "/v1"
    settings: dict[str, Any] = {"api_key": "vendor-key"}

    def __init__(self) -> None:
        self._held: dict[str, dict[str, Any]] = {}
        """Conversations the server keeps, by the id of their last answer."""
        self._keeping: dict[str, Any] | None = None
        self._numbers = itertools.count()
        """Of the answers; Claude Code takes two with the same id for one."""

    def read(self, seen: Seen) -> Asked:
        assert seen.path == "/v1/messages", seen.path
        assert seen.headers.get("x-api-key") == "vendor-key", "no key"
        assert "anthropic-version" in seen.headers, "no version"
        body = seen.json
        check(problems(body, _wanted(streamed=bool(body.get("stream")), with_betas="anthropic-beta" in seen.headers)))
        assert body["model"] == self.model, f"model is {body['model']}"
        body = self._resumed(body)
        asked = Asked(model=body["model"], stream=bool(body.get("stream")), max_tokens=body["max_tokens"])
        system = body.get("system", "")
        asked.system = system if isinstance(system, str) else "".join(block["text"] for block in system)
        waiting: list[str] = []
        role = ""
        for message in body["messages"]:
            assert message["role"] != role, "two turns of one role"
            role = message["role"]
            content = message["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
            assert sorted(results) == sorted(waiting), f"results {results} of calls {waiting}"
            waiting = [block["id"] for block in blocks if block["type"] == "tool_use"]
            asked.turns += [(role, part) for block in blocks for part in (_block(block), *_shown(block))]
        assert not waiting, f"no results of {waiting}"
        asked.tools = {tool["name"]: tool["input_schema"] for tool in body.get("tools", ())}
        asked.choice = json.dumps(body["tool_choice"]) if "tool_choice" in body else None
        asked.schema = (body.get("output_config", {}).get("format") or {}).get("schema")
        return asked

    def _resumed(self, body: dict[str, Any]) -> dict[str, Any]:
        """The whole conversation of a request that continues a thread."""
        thread = body.get("thread")
        if thread is None:
            self._keeping = None
            return body
        if thread["type"] == "continue":
            assert not {"system", "tools"} & set(body), "the thread has them"
            held = self._held[thread["previous_message_id"]]
            body = {**held, **body, "messages": [*held["messages"], *body["messages"]]}
        self._keeping = body
        return body

    def _message(self, says: Says) -> dict[str, Any]:
        id = f"msg_vendor_{next(self._numbers)}"
        if self._keeping is not None:
            answer = {"role": "assistant", "content": _content(says)}
            self._held[id] = {**self._keeping, "messages": [*self._keeping["messages"], answer]}
        return {"id": id, "type": "message", "role": "assistant", "model": self.model}

    def whole(self, says: Says) -> bytes:
        answer = Message.model_validate(
            {
                **self._message(says),
                "content": _content(says),
                **_stop(says),
                "usage": _usage(says, says.output),
            }
        )
        return answer.model_dump_json(exclude_unset=True).encode()

    def frames(self, says: Says) -> list[bytes]:
        frames = self._opening(says)
        first = len(_content(says)) - len(says.calls)
        if says.text:
            frames.append(_event("content_block_stop", index=first - 1))
        for at, call in enumerate(says.calls, first):
            frames.append(_event("content_block_start", index=at, content_block={**_use(call), "input": {}}))
            for piece in ("", *pieces(json.dumps(call.arguments))):
                frames.append(_event("content_block_delta", index=at, delta={"type": "input_json_delta", "partial_json": piece}))
            frames.append(_event("content_block_stop", index=at))
        frames.append(_event("message_delta", delta=_stop(says), usage={"output_tokens": says.output}))
        return [*frames, _event("message_stop")]

    def _opening(self, says: Says) -> list[bytes]:
        start = {**self._message(says), "content": [], "stop_reason": None, "stop_sequence": None, "usage": _usage(says, 1)}
        frames = [_event("message_start", message=start), b'event: ping\ndata: {"type": "ping"}\n\n']
        at = 0
        if says.thinking:
            block = {"type": "thinking", "thinking": "", "signature": ""}
            frames.append(_event("content_block_start", index=0, content_block=block))
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(says.thinking)]
            deltas.append({"type": "signature_delta", "signature": _signed(says.thinking)})
            frames += [_event("content_block_delta", index=0, delta=delta) for delta in deltas]
            frames.append(_event("content_block_stop", index=0))
            at = 1
        if says.text:
            frames.append(_event("content_block_start", index=at, content_block={"type": "text", "text": ""}))
            frames += [
                _event("content_block_delta", index=at, delta={"type": "text_delta", "text": piece}) for piece in pieces(says.text)
            ]
        return frames

    def error(self, status: int, message: str) -> bytes:
        kind = _TYPES.get(status, "invalid_request_error")
        return json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_vendor"}).encode()

    def broken(self, says: Says) -> list[bytes]:
        return [
            *self._opening(says),
            event({"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}, "error"),
        ]


def _wanted(*, streamed: bool, with_betas: bool) -> Any:
    if with_betas:
        return beta.MessageCreateParamsStreaming if streamed else beta.MessageCreateParamsNonStreaming
    return MessageCreateParamsStreaming if streamed else MessageCreateParamsNonStreaming


def _block(block: dict[str, Any]) -> str | Call | Result | Image | Thought:
    match block["type"]:
        case "text":
            assert block["text"].strip(), "text content blocks must be non-empty"
            return block["text"]
        case "thinking":
            assert block["signature"] == _signed(block["thinking"]), "Invalid `signature` in `thinking` block"
            return Thought(block["thinking"])
        case "image":
            return Image(block["source"]["media_type"], block["source"]["data"])
        case "tool_use":
            return Call(block["name"], block["input"], block["id"])
        case "tool_result":
            content = block.get("content", "")
            text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
            return Result(block["tool_use_id"], text, block.get("is_error", False))
        case other:
            raise AssertionError(f"a block of type {other}")


def _shown(block: dict[str, Any]) -> list[Image]:
    """The images in a tool's result."""
    inner = block.get("content", ()) if block["type"] == "tool_result" else ()
    return [
        Image(part["source"]["media_type"], part["source"]["data"])
        for part in inner
        if isinstance(part, dict) and part["type"] == "image"
    ]


def _content(says: Says) -> list[dict[str, Any]]:
    thought = [{"type": "thinking", "thinking": says.thinking, "signature": _signed(says.thinking)}] if says.thinking else []
    text = [{"type": "text", "text": says.text}] if says.text else []
    return [*thought, *text, *(_use(call) for call in says.calls)]


def _signed(thinking: str) -> str:
    """Proves that these words are this server's own."""
    return f"EqQB{zlib.crc32(thinking.encode()):x}=="


def _use(call: Call) -> dict[str, Any]:
    id = call.id or f"toolu_{zlib.crc32(json.dumps([call.name, call.arguments]).encode())}"
    return {"type": "tool_use", "id": id, "name": call.name, "input": call.arguments}


def _stop(says: Says) -> dict[str, Any]:
    stop: dict[str, Any] = {"stop_reason": _STOPS[says.finish], "stop_sequence": None}
    if says.refusal:
        stop["stop_details"] = {"type": "refusal", "category": "general_harms", "explanation": says.refusal}
    return stop


def _usage(says: Says, output: int) -> dict[str, Any]:
    cached = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": says.cached}
    return {"input_tokens": says.input - says.cached, **cached, "output_tokens": output}


def _event(name: str, **fields: Any) -> bytes:
    data = _EVENTS[name].model_validate({"type": name, **fields}).model_dump_json(exclude_unset=True)
    return event(data.encode(), name)
