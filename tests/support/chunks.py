"""OpenAI stream bytes for tests, written by hand so that they can be as wrong as servers are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def sse(data: Any) -> bytes:
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


def chunk(finish: str | None = None, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return sse({"id": "up-1", "object": "chat.completion.chunk", "created": 1, "model": "upstream", "choices": [choice]})


def tool(index: int | None = None, id: str | None = None, name: str | None = None, args: Any = None) -> dict[str, Any]:
    call: dict[str, Any] = {"function": {}}
    if index is not None:
        call["index"] = index
    if id is not None:
        call |= {"id": id, "type": "function"}
    if name is not None:
        call["function"]["name"] = name
    if args is not None:
        call["function"]["arguments"] = args
    return call


def tools(*calls: dict[str, Any]) -> bytes:
    return chunk(tool_calls=list(calls))


def usage(prompt: int = 10, completion: int = 5, **more: Any) -> bytes:
    return sse({"id": "up-1", "choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion, **more}})


DONE = sse(b"[DONE]")


def numbered():
    """Ids in order, for answers that must be the same twice."""
    count = iter(range(10_000))
    return lambda prefix: f"{prefix}{next(count):024d}"


def anthropic(name: str, **data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


def openai_events(raw: bytes) -> list[Any]:
    """The chunks of an OpenAI stream as the official SDK would read them; `[DONE]` stays a string, comments are skipped."""
    found = []
    for part in raw.decode().split("\n\n"):
        if part.startswith("data: "):
            found.append("[DONE]" if part == "data: [DONE]" else json.loads(part[6:]))
        else:
            assert part == "" or part.startswith(":"), part
    return found


def openai_message(raw: bytes) -> dict[str, Any]:
    """What a client accumulates: content, reasoning, tool calls by index, finish reason, usage, whether it ended properly."""
    message: dict[str, Any] = {
        "content": "",
        "reasoning": "",
        "tool_calls": [],
        "finish": None,
        "usage": None,
        "done": False,
        "error": None,
    }
    for event in openai_events(raw):
        if event == "[DONE]":
            message["done"] = True
            continue
        assert not message["done"], "a chunk after [DONE]"
        if "error" in event:
            message["error"] = event["error"]
            continue
        assert event["object"] == "chat.completion.chunk"
        if event.get("usage"):
            message["usage"] = event["usage"]
        for choice in event["choices"]:
            delta = choice["delta"]
            message["content"] += delta.get("content") or ""
            message["reasoning"] += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls") or ():
                if call["index"] == len(message["tool_calls"]):
                    assert call["id"] and call["type"] == "function" and call["function"]["name"]
                    message["tool_calls"].append({"id": call["id"], "name": call["function"]["name"], "arguments": ""})
                assert call["index"] == len(message["tool_calls"]) - 1, "a fragment of another call"
                message["tool_calls"][-1]["arguments"] += call["function"].get("arguments") or ""
            message["finish"] = choice["finish_reason"] or message["finish"]
    return message


def cut(text: str, places: Sequence[int]) -> list[str]:
    """`text` in pieces; a place beyond its end counts from the beginning again."""
    ends = sorted({place % (len(text) + 1) for place in places})
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
