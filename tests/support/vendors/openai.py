"""OpenAI's server, and Azure's: Chat Completions, requests checked against the SDK's TypedDicts, answers made of its models."""

from __future__ import annotations

import json
import re
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming

from tests.support.fake import DONE, Seen
from tests.support.vendors.base import Asked, Call, Image, Result, Says, check
from tests.support.vendors.strict import problems

_FINISH = {"stop": "stop", "tools": "tool_calls", "length": "length", "refusal": "stop"}


class OpenAI:
    kind = "openai"
    model = "gpt-4.1-mini"
    path = "/v1"
    settings: dict[str, Any] = {"api_key": "vendor-key"}

    def arrived(self, seen: Seen) -> None:
        assert seen.path == "/v1/chat/completions", seen.path
        assert seen.headers.get("authorization") == "Bearer vendor-key", "no key"

    def read(self, seen: Seen) -> Asked:
        self.arrived(seen)
        body = seen.json
        check(problems(body, CompletionCreateParamsStreaming if body.get("stream") else CompletionCreateParamsNonStreaming))
        assert body.get("model") == self.model, f"model is {body.get('model')}"
        assert body.get("stream") or "stream_options" not in body, "stream_options without stream"
        asked = Asked(model=body["model"], stream=bool(body.get("stream")))
        waiting: list[str] = []
        for message in body["messages"]:
            role = message["role"]
            assert (role == "tool") == bool(waiting), f"{role} message while {waiting} wait for their results"
            if role == "tool":
                assert message["tool_call_id"] in waiting, "a result of no call"
                waiting.remove(message["tool_call_id"])
                asked.turns.append(("user", Result(message["tool_call_id"], _text(message["content"]))))
            elif role in {"system", "developer"} and not asked.turns:
                asked.system += _text(message["content"])
            else:
                asked.turns += [(role, part) for part in _parts(message.get("content"))]
            for call in message.get("tool_calls", ()):
                assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call["function"]["name"])
                waiting.append(call["id"])
                asked.turns.append((role, Call(call["function"]["name"], json.loads(call["function"]["arguments"]), call["id"])))
        assert not waiting, f"no results of {waiting}"
        asked.tools = {tool["function"]["name"]: tool["function"].get("parameters", {}) for tool in body.get("tools", ())}
        asked.choice = json.dumps(body["tool_choice"]) if "tool_choice" in body else None
        wanted = body.get("response_format", {})
        asked.schema = wanted["json_schema"]["schema"] if wanted.get("type") == "json_schema" else None
        asked.max_tokens = body.get("max_completion_tokens", body.get("max_tokens"))
        return asked

    def whole(self, says: Says) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": says.text or None, "refusal": says.refusal or None}
        if says.thinking:
            message["reasoning_content"] = says.thinking  # as compatible servers say it; OpenAI's own keep theirs
        if says.calls:
            message["tool_calls"] = [_call(call, at) for at, call in enumerate(says.calls)]
        choice = {"index": 0, "message": message, "finish_reason": _FINISH[says.finish], "logprobs": None}
        answer = ChatCompletion.model_validate(
            {
                "id": "chatcmpl-vendor",
                "object": "chat.completion",
                "created": 1700000000,
                "model": self.model + "-2026-01-01",
                "choices": [choice],
                "usage": _usage(says),
            }
        )
        return answer.model_dump_json(exclude_unset=True).encode()

    def frames(self, says: Says) -> list[bytes]:
        frames = self._opening(says)
        for at, call in enumerate(says.calls):
            whole = _call(call, at)
            arguments = whole["function"]["arguments"]
            frames.append(
                _delta(self.model, {"tool_calls": [{"index": at, **whole, "function": {"name": call.name, "arguments": ""}}]})
            )
            for piece in (arguments[:5], arguments[5:]):
                frames.append(_delta(self.model, {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}))
        frames.append(_delta(self.model, {}, _FINISH[says.finish]))
        frames.append(_chunk(self.model, choices=[], usage=_usage(says)))
        return [*frames, DONE]

    def _opening(self, says: Says) -> list[bytes]:
        frames = [_delta(self.model, {"role": "assistant", "content": None if says.calls else "", "refusal": None})]
        frames += [_delta(self.model, {"reasoning_content": piece}) for piece in pieces(says.thinking)]
        frames += [_delta(self.model, {"content": piece}) for piece in pieces(says.text)]
        return frames + [_delta(self.model, {"refusal": piece}) for piece in pieces(says.refusal)]

    def error(self, status: int, message: str) -> bytes:
        kind = "invalid_request_error" if status < 500 else "server_error"
        return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": None}}).encode()

    def broken(self, says: Says) -> list[bytes]:
        return [
            *self._opening(says),
            b'data: {"error":{"message":"the server had an error","type":"server_error","code":null}}\n\n',
        ]


class Azure(OpenAI):
    kind = "azure"
    model = "my-deployment"
    path = ""
    settings: dict[str, Any] = {"api_key": "vendor-key", "api_version": "2024-10-21"}

    def arrived(self, seen: Seen) -> None:
        assert seen.path == "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21", seen.path
        assert seen.headers.get("api-key") == "vendor-key", "no key"
        assert "authorization" not in seen.headers

    def frames(self, says: Says) -> list[bytes]:
        """Azure tells first what its filter thinks of the prompt, in a chunk without choices."""
        filtered = {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
        opening = _chunk("", choices=[], prompt_filter_results=[filtered], id="", created=0)
        return [opening, *super().frames(says)]

    def error(self, status: int, message: str) -> bytes:
        return json.dumps({"error": {"message": message, "code": str(status)}}).encode()


def pieces(text: str, size: int = 7) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _text(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _parts(content: str | list[dict[str, Any]] | None) -> list[str | Image]:
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    found: list[str | Image] = []
    for part in content:
        if part["type"] == "text":
            found.append(part["text"])
        else:
            head, _, data = part["image_url"]["url"].partition(";base64,")
            found.append(Image(head.removeprefix("data:"), data))
    return found


def _call(call: Call, at: int) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return {
        "id": call.id or f"call_{call.name}_{at}_{abs(hash(function['arguments'])) % 10**6}",
        "type": "function",
        "function": function,
    }


def _usage(says: Says) -> dict[str, Any]:
    return {
        "prompt_tokens": says.input,
        "completion_tokens": says.output,
        "total_tokens": says.input + says.output,
        "prompt_tokens_details": {"cached_tokens": says.cached},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }


def _chunk(model: str, **fields: Any) -> bytes:
    given = {"id": "chatcmpl-vendor", "object": "chat.completion.chunk", "created": 1700000000, "model": model, **fields}
    return b"data: " + ChatCompletionChunk.model_validate(given).model_dump_json(exclude_unset=True).encode() + b"\n\n"


def _delta(model: str, delta: dict[str, Any], finish: str | None = None) -> bytes:
    return _chunk(model, choices=[{"index": 0, "delta": delta, "finish_reason": finish}])
