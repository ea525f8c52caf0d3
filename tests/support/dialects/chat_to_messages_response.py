"""A Chat Completions response, read as the Messages response a client gets."""

from __future__ import annotations

import json

from octoroute.dialects.anthropic.response import encode_response
from octoroute.dialects.openai.response import decode_response
from tests.support.chunks import numbered


def answer(finish="stop", usage=None, **message):
    return json.dumps(
        {
            "id": "x",
            "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
            "usage": usage or {"prompt_tokens": 3, "completion_tokens": 4},
        }
    ).encode()


def to_anthropic(body: bytes, **how):
    return json.loads(encode_response(decode_response(body), model="auto", new_id=numbered(), **how))


def called(arguments, **more):
    return {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}, **more}
