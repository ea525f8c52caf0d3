"""Requests to Gemini and its responses."""

from __future__ import annotations

import json

from octoroute.dialects.gemini.request_encoder import encode_request
from octoroute.dialects.gemini.stream_decoder import GeminiDecoder
from octoroute.dialects.openai.request_decoder import decode_request as read_openai
from octoroute.domain.endpoint import Endpoint, Tier
from tests.support.chunks import numbered, sse


def parts(*given, finish=None, **more):
    candidate = {"content": {"role": "model", "parts": list(given)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return sse({"candidates": [candidate], **more})


def call(name, args=None, **more):
    return {"functionCall": {"name": name, **({} if args is None else {"args": args})}, **more}


def events_of(*frames):
    decoder = GeminiDecoder(new_id=numbered())
    return [event for frame in frames for event in decoder.feed(frame)] + list(decoder.end())


def ask(*messages, model="gemini-2.5-flash", notes=None, **fields):
    conversation = read_openai(json.dumps({"messages": list(messages), **fields}).encode())
    return json.loads(encode_request(conversation, model=model, notes=notes))


USER = {"role": "user", "content": "hi"}


def called(*calls):
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}} for id, name in calls],
    }


ENDPOINT = Endpoint(id="g", name="g", tier=Tier.DEEP, kind="gemini", provider="gemini", base_url="http://x", model="gemini-3-pro")


SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "$id": "x",
    "type": "object",
    "additionalProperties": False,
    "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number", "exclusiveMinimum": 0}}}, "Tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}}},
    "properties": {
        "type": {"type": ["string", "null"], "examples": ["a"]},
        "const": {"const": "only"},
        "format": {"type": "string", "format": "uuid"},
        "at": {"$ref": "#/$defs/Point", "description": "where"},
        "tree": {"$ref": "#/$defs/Tree"},
        "either": {"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
        "all": {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "string"}}, "required": ["b"]}]},
        "list": {"type": "array"},
        "missing": {"$ref": "#/nowhere"},
        "level": {"enum": [1, 2]},
    },
    "required": ["type", "absent"],
}  # fmt: skip
