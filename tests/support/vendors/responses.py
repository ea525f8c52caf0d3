"""OpenAI's server, asked by Responses: requests checked against the SDK's TypedDicts, answers made of its models."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming, ResponseCreateParamsStreaming
from pydantic import TypeAdapter

from tests.support.fake import Seen
from tests.support.vendors.base import Asked, Call, Image, Result, Says, Thought, check
from tests.support.vendors.strict import problems

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_ENCRYPTED = "gAAAAB-"


class Responses:
    kind = "responses"
    provider = "openai"
    model = "gpt-5.2"
    path = "/v1"
    settings: dict[str, Any] = {"api_key": "vendor-key", "wire": "responses", "quirks": ["openai", "openai-developer"]}

    def read(self, seen: Seen) -> Asked:
        assert seen.path == "/v1/responses", seen.path
        assert seen.headers.get("authorization") == "Bearer vendor-key", "no key"
        body = seen.json
        check(problems(body, ResponseCreateParamsStreaming if body.get("stream") else ResponseCreateParamsNonStreaming))
        assert body.get("model") == self.model, f"model is {body.get('model')}"
        asked = Asked(model=body["model"], stream=bool(body.get("stream")), system=body.get("instructions") or "")
        items = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
        waiting: list[str] = []
        for item in items:
            self._item(item, asked, waiting)
        assert not waiting, f"no results of {waiting}"
        for tool in body.get("tools", ()):
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", tool["name"])
            asked.tools[tool["name"]] = tool["parameters"]
        asked.choice = json.dumps(body["tool_choice"]) if "tool_choice" in body else None
        wanted = (body.get("text") or {}).get("format", {})
        asked.schema = wanted["schema"] if wanted.get("type") == "json_schema" else None
        asked.max_tokens = body.get("max_output_tokens")
        return asked

    def _item(self, item: dict[str, Any], asked: Asked, waiting: list[str]) -> None:
        kind = item.get("type", "message")
        if kind == "function_call":
            waiting.append(item["call_id"])
            asked.turns.append(("assistant", Call(item["name"], json.loads(item["arguments"]), item["call_id"])))
        elif kind == "function_call_output":
            assert item["call_id"] in waiting, "a result of no call"
            waiting.remove(item["call_id"])
            found = _parts(item["output"])
            asked.turns.append(("user", Result(item["call_id"], "".join(part for part in found if isinstance(part, str)))))
            asked.turns += [("user", part) for part in found if isinstance(part, Image)]
        elif kind == "reasoning":
            assert (item.get("encrypted_content") or "").startswith(_ENCRYPTED), "reasoning that was not made here"
            asked.turns += [("assistant", Thought(part["text"])) for part in item["summary"]]
        elif item["role"] in {"system", "developer"} and not asked.turns:
            asked.system += _text(item["content"])
        else:
            asked.turns += [(item["role"], part) for part in _parts(item["content"])]

    def whole(self, says: Says) -> bytes:
        answer = Response.model_validate(_response(self.model, says, _items(says)))
        return answer.model_dump_json(exclude_unset=True).encode()

    def frames(self, says: Says) -> list[bytes]:
        return [*self._opening(says), *self._calls(says), self._end(says)]

    def _opening(self, says: Says) -> list[bytes]:
        """Everything before the calls."""
        self._count = 0
        begun = {**_response(self.model, says, []), "status": "in_progress", "usage": None, "incomplete_details": None}
        frames = [self._event("response.created", response=begun), self._event("response.in_progress", response=begun)]
        for at, item in enumerate(item for item in _items(says) if item["type"] != "function_call"):
            place = {"output_index": at, "item_id": item["id"]}
            if item["type"] == "reasoning":
                frames.append(self._event("response.output_item.added", output_index=at, item={**item, "summary": []}))
                place["summary_index"] = 0
                frames += self._summary(place, says.thinking)
            else:
                head = {**item, "content": [], "status": "in_progress"}
                frames.append(self._event("response.output_item.added", output_index=at, item=head))
                place["content_index"] = 0
                for part in item["content"]:
                    name = "refusal" if part["type"] == "refusal" else "text"
                    words = "response.refusal" if name == "refusal" else "response.output_text"
                    more = {} if name == "refusal" else {"logprobs": []}
                    frames.append(self._event("response.content_part.added", **place, part={**part, name: ""}))
                    frames += [self._event(f"{words}.delta", **place, delta=piece, **more) for piece in pieces(part[name])]
                    frames.append(self._event(f"{words}.done", **place, **{name: part[name]}, **more))
                    frames.append(self._event("response.content_part.done", **place, part=part))
            frames.append(self._event("response.output_item.done", output_index=at, item=item))
        return frames

    def _summary(self, place: dict[str, Any], text: str) -> list[bytes]:
        name = "response.reasoning_summary"
        part = {"type": "summary_text", "text": text}
        return [
            self._event(f"{name}_part.added", **place, part={**part, "text": ""}),
            *(self._event(f"{name}_text.delta", **place, delta=piece) for piece in pieces(text)),
            self._event(f"{name}_text.done", **place, text=text),
            self._event(f"{name}_part.done", **place, part=part),
        ]

    def _calls(self, says: Says) -> list[bytes]:
        frames: list[bytes] = []
        for at, item in enumerate(_items(says)):
            if item["type"] != "function_call":
                continue
            place = {"output_index": at, "item_id": item["id"]}
            frames.append(
                self._event("response.output_item.added", output_index=at, item={**item, "arguments": "", "status": "in_progress"})
            )
            name = "response.function_call_arguments"
            frames += [self._event(f"{name}.delta", **place, delta=piece) for piece in pieces(item["arguments"])]
            frames.append(self._event(f"{name}.done", **place, name=item["name"], arguments=item["arguments"]))
            frames.append(self._event("response.output_item.done", output_index=at, item=item))
        return frames

    def _end(self, says: Says) -> bytes:
        response = _response(self.model, says, _items(says))
        return self._event(f"response.{response['status']}", response=response)

    def _event(self, type: str, **fields: Any) -> bytes:
        event = {"type": type, "sequence_number": self._count, **fields}
        self._count += 1
        _EVENT.validate_python(event)
        return f"event: {type}\ndata: {json.dumps(event)}\n\n".encode()

    def error(self, status: int, message: str) -> bytes:
        kind = "invalid_request_error" if status < 500 else "server_error"
        return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": None}}).encode()

    def broken(self, says: Says) -> list[bytes]:
        opening = self._opening(says)
        failed = _response(self.model, says, []) | {
            "status": "failed",
            "error": {"code": "server_error", "message": "the server had an error"},
        }
        return [*opening, self._event("response.failed", response=failed)]


def pieces(text: str, size: int = 7) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _text(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _parts(content: str | list[dict[str, Any]]) -> list[str | Image]:
    if isinstance(content, str):
        return [content] if content else []
    found: list[str | Image] = []
    for part in content:
        if part["type"] == "input_image":
            head, _, data = part["image_url"].partition(";base64,")
            found.append(Image(head.removeprefix("data:"), data))
        else:
            found.append(part.get("text") or part["refusal"])
    return found


def _mark(says: Says) -> str:
    """Ids are as unique as answers, and the same for the same answer."""
    told = [says.text, says.thinking, says.refusal, [[call.name, call.arguments] for call in says.calls]]
    return f"{zlib.crc32(json.dumps(told).encode()):08x}"


def _items(says: Says) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    mark = _mark(says)
    if says.thinking:
        summary = [{"type": "summary_text", "text": says.thinking}]
        items.append({"id": f"rs_{mark}", "type": "reasoning", "summary": summary, "encrypted_content": _ENCRYPTED + "secret=="})
    if says.text or says.refusal:
        part: dict[str, Any] = {"type": "refusal", "refusal": says.refusal}
        if says.text:
            part = {"type": "output_text", "text": says.text, "annotations": [], "logprobs": []}
        items.append({"id": f"msg_{mark}", "type": "message", "role": "assistant", "status": "completed", "content": [part]})
    for at, call in enumerate(says.calls):
        arguments = json.dumps(call.arguments)
        call_id = call.id or f"call_{call.name}_{at}_{abs(hash(arguments)) % 10**6}"
        items.append(
            {
                "id": f"fc_{mark}_{at}",
                "type": "function_call",
                "status": "completed",
                "call_id": call_id,
                "name": call.name,
                "arguments": arguments,
            }
        )
    return items


def _response(model: str, says: Says, items: list[dict[str, Any]]) -> dict[str, Any]:
    incomplete = {"length": "max_output_tokens", "refusal": None if says.refusal else "content_filter"}.get(says.finish)
    return {
        "id": f"resp_{_mark(says)}",
        "object": "response",
        "created_at": 1700000000,
        "model": model + "-2026-01-01",
        "status": "incomplete" if incomplete else "completed",
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "error": None,
        "output": items,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": says.input,
            "input_tokens_details": {"cached_tokens": says.cached, "cache_write_tokens": 0},
            "output_tokens": says.output,
            "output_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": says.input + says.output,
        },
    }
