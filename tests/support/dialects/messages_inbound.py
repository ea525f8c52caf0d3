"""Requests of a client of the Messages API."""

from __future__ import annotations

import json

from octoroute.dialects.anthropic.inbound import AnthropicInbound

DIALECT = AnthropicInbound()


def read(body, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return DIALECT.read(raw, request_id="r", headers=headers)


def ask(messages, **fields):
    return read({"model": "claude-x", "max_tokens": 10, "messages": messages, **fields})


USER = {"role": "user", "content": "hi"}
