"""A Chat Completions request, read as the Messages request an endpoint gets."""

from __future__ import annotations

import json

from octoroute.dialects.anthropic.request_encoder import encode_request
from octoroute.dialects.openai.request_decoder import decode_request

SONNET, OLD, NEW = "claude-sonnet-4-5", "claude-3-5-sonnet-20241022", "claude-sonnet-5"


def call(id="c1", name="f", arguments="{}"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool(id="c1", content="r"):
    return {"role": "tool", "tool_call_id": id, "content": content}


def user(content):
    return {"role": "user", "content": content}


def said(content=None, *calls, **more):
    return {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {}), **more}


def ask(*messages, model=SONNET, notes=None, default=None, limit=None, **fields):
    conversation = decode_request(json.dumps({"model": "m", "messages": list(messages), **fields}).encode())
    return json.loads(
        encode_request(conversation, model=model, stream=False, notes=notes, default_max_tokens=default, max_output_tokens=limit)
    )
