"""A Messages request, read as the Chat Completions request an endpoint gets."""

from __future__ import annotations

import json

from octoroute.dialects.anthropic.request_decoder import decode_request
from octoroute.dialects.openai.compat import Quirks
from octoroute.dialects.openai.request_encoder import encode_request

TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}


def use(id="t1", name="f", **input):
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def result(id="t1", content=..., **more):
    return {"type": "tool_result", "tool_use_id": id, **({} if content is ... else {"content": content}), **more}


def ask(*messages, quirks=None, notes=None, stream=False, limit=None, **fields):
    """Messages are (role, content) pairs; the request that goes out."""
    body = {
        "model": "m",
        "max_tokens": 100,
        "messages": [{"role": role, "content": content} for role, content in messages],
        **fields,
    }
    conversation = decode_request(json.dumps(body).encode())
    return json.loads(
        encode_request(conversation, model="up", quirks=quirks or Quirks(), stream=stream, notes=notes, max_output_tokens=limit)
    )


def roles(body):
    return [message["role"] for message in body["messages"]]


PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBER"}, "title": "a.pdf"}
