"""A transport whose servers send the bytes they are given, in any pieces; and clients of three dialects that ask through it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from octoroute.upstream.transports.base import TransportRequest
from tests.support.spine import FakeAnswer, Spine, Told, make_endpoint

CLIENTS = ("openai", "anthropic", "responses")
KINDS = ("openai", "anthropic", "gemini")
EVENTS = "text/event-stream"
TOOL = {"type": "object", "properties": {"c": {"type": "string"}}}
BODIES: Mapping[str, dict[str, Any]] = {
    "openai": {
        "messages": [{"role": "user", "content": "hello"}],
        "tools": [{"type": "function", "function": {"name": "Bash", "parameters": TOOL}}],
    },
    "anthropic": {
        "max_tokens": 900,
        "messages": [{"role": "user", "content": "hello"}],
        "tools": [{"name": "Bash", "input_schema": TOOL}],
    },
    "responses": {"input": "hello", "tools": [{"type": "function", "name": "Bash", "parameters": TOOL}]},
}


class Scripted:
    """`answers`: the pieces of each server's answer, by its name; a server without any must not be asked."""

    def __init__(self, answers: Mapping[str, Sequence[bytes]], content_type: str = EVENTS) -> None:
        self.answers = answers
        self.content_type = content_type
        self.open = 0
        self.asked: list[str] = []

    async def send(self, call: TransportRequest) -> FakeAnswer:
        name = (urlsplit(call.url).hostname or "").partition(".")[0]
        self.asked.append(name)
        return FakeAnswer(self, 200, {"content-type": self.content_type}, self.answers[name])  # type: ignore[arg-type]


def ask(
    kind: str,
    client: str,
    answers: Mapping[str, Sequence[bytes]],
    *,
    stream: bool = True,
    content_type: str = EVENTS,
    body: Mapping[str, Any] | None = None,
    attempts: int = 0,
    **endpoint: Any,
) -> tuple[Told, Scripted]:
    """One request of a client of `client` to endpoints of `kind`, in the order of `answers`."""

    async def run() -> tuple[Told, Scripted]:
        more = {"kind": kind, "provider": kind, **endpoint}
        endpoints = [
            make_endpoint(name, priority=100 - at, base_url=f"http://{name}.test/v1", **more) for at, name in enumerate(answers)
        ]
        spine = Spine(endpoints, max_attempts=attempts)
        scripted = Scripted(answers, content_type)
        spine.transport.send = scripted.send  # type: ignore[method-assign]
        raw = json.dumps({"model": "auto", "stream": stream, **(body or BODIES[client])}).encode()
        request = spine.gateway.inbound[client].read(raw, request_id="r1", headers={})
        return await spine.ask(request), scripted

    return asyncio.run(run())


def last_data(body: bytes) -> dict[str, Any]:
    """Of the last event of a stream."""
    return json.loads(body.rstrip().rsplit(b"data: ", 1)[1])
