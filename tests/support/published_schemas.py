"""What octoroute writes to clients, checked event by event against the types that the vendors publish in their SDKs, strictly."""

from __future__ import annotations

import json
from typing import Any

from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

_EVENTS: dict[str, TypeAdapter[Any]] = {
    "openai": TypeAdapter(ChatCompletionChunk),
    "anthropic": TypeAdapter(RawMessageStreamEvent),
    "responses": TypeAdapter(ResponseStreamEvent),
}
_BODIES: dict[str, TypeAdapter[Any]] = {
    "openai": TypeAdapter(ChatCompletion),
    "anthropic": TypeAdapter(Message),
    "responses": TypeAdapter(Response),
}


def events_of(data: bytes) -> list[dict[str, Any]]:
    """The JSON of each event; comments and `[DONE]` have none."""
    lines = [line[6:] for line in data.split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def must_be_valid(client: str, data: bytes) -> None:
    """Every event of a stream, up to an error."""
    for event in events_of(data):
        if "error" in event and (client == "openai" or event["type"] == "error"):
            return
        if event.get("type") == "ping":
            continue  # in Anthropic's documentation, not in its SDK's types
        _EVENTS[client].validate_json(json.dumps(event), strict=True)


def must_be_valid_body(client: str, body: bytes) -> None:
    _BODIES[client].validate_json(body, strict=True)


def calls_of(client: str, data: bytes) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of each call of a stream, as its deltas say them."""
    calls: list[list[str]] = []
    places: dict[Any, int] = {}
    for event in events_of(data):
        if client == "openai":
            for choice in event.get("choices", ()):
                for call in choice["delta"].get("tool_calls") or ():
                    if call.get("id"):
                        places[call["index"]] = len(calls)
                        calls.append([call["id"], call["function"]["name"], ""])
                    calls[places[call["index"]]][2] += call["function"].get("arguments") or ""
        elif event.get("type") == "content_block_start" and event["content_block"]["type"] == "tool_use":
            places[event["index"]] = len(calls)
            calls.append([event["content_block"]["id"], event["content_block"]["name"], ""])
        elif event.get("type") == "content_block_delta" and event["delta"]["type"] == "input_json_delta":
            calls[places[event["index"]]][2] += event["delta"]["partial_json"]
        elif event.get("type") == "response.output_item.added" and event["item"]["type"] == "function_call":
            places[event["output_index"]] = len(calls)
            calls.append([event["item"]["call_id"], event["item"]["name"], ""])
        elif event.get("type") == "response.function_call_arguments.delta":
            calls[places[event["output_index"]]][2] += event["delta"]
    return [(id, name, arguments or "{}") for id, name, arguments in calls]
