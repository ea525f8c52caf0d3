"""A client of a gateway whose endpoints misbehave: how it asks, what it sees, and why that is not what is right."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.torture.fault_scripts import begins, ends, texts
from tests.torture.fault_table import Right

NOT_ITS_OWN = "not the endpoint's own bytes"


@dataclass(frozen=True)
class Dialect:
    """How a client asks and how it knows the end."""

    path: str
    asks: Callable[[str, str, bool], dict[str, Any]]
    """Model, text, stream."""
    last: str
    """The event at the end of a stream that is whole."""


def _chat(model: str, text: str, stream: bool) -> dict[str, Any]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}


def _messages(model: str, text: str, stream: bool) -> dict[str, Any]:
    return {**_chat(model, text, stream), "max_tokens": 100}


def _responses(model: str, text: str, stream: bool) -> dict[str, Any]:
    return {"model": model, "stream": stream, "input": text}


DIALECTS = {
    "openai": Dialect("/v1/chat/completions", _chat, "[DONE]"),
    "anthropic": Dialect("/v1/messages", _messages, "message_stop"),
    "responses": Dialect("/v1/responses", _responses, "response.completed"),
}
ANTHROPIC_TYPES = {"upstream_timeout": "timeout_error"}
"""Its errors have types where OpenAI's have codes; api_error for all others."""


@dataclass
class Got:
    """What a client saw."""

    status: int = 0
    body: bytes = b""
    endpoint: str = ""
    left: bool = False
    """The client has, and not the answer come to an end."""
    cut: str = ""
    """The answer was not complete, by HTTP's own measure."""

    @property
    def events(self) -> list[tuple[str, Any]]:
        """(name, data) of a stream; OpenAI's have no names, but for the last one."""
        found: list[tuple[str, Any]] = []
        for frame in self.body.split(b"\n\n"):
            fields = dict(line.split(b": ", 1) for line in frame.split(b"\n") if not line.startswith(b":") and line)
            data = fields.get(b"data")
            if data == b"[DONE]":
                found.append(("[DONE]", None))
            elif data is not None:
                found.append((fields.get(b"event", b"").decode(), json.loads(data)))
        return found


async def ask(
    client: httpx2.AsyncClient, dialect: str, model: str, word: str, *, stream: bool, watch: Callable[[bytes], float | None]
) -> Got:
    """Asks to be answered with that word. `watch` is shown the body as it grows, and may say in how many seconds to leave."""
    got, spoken = Got(), DIALECTS[dialect]
    patience = asyncio.timeout(None)
    body = spoken.asks(model, f"say {word}", stream)
    try:
        async with patience, client.stream("POST", spoken.path, json=body, timeout=None) as response:
            got.status, got.endpoint = response.status_code, response.headers.get("x-octoroute-endpoint", "")
            async for piece in response.aiter_raw():
                got.body += piece
                leaves_in_s = watch(got.body)
                if leaves_in_s is not None:
                    patience.reschedule(asyncio.get_running_loop().time() + leaves_in_s)
    except TimeoutError:
        got.left = patience.expired()
    except httpx2.TransportError as error:
        got.cut = repr(error)
    return got


def wrong_with(got: Got, right: Right, who: str, word: str, dialect: str, *, stream: bool) -> str | None:
    """Why that is not right; None: it is."""
    if got.cut:
        return f"cut: {got.cut}"
    if got.status != right.status:
        return f"status {got.status}"
    if not right.begun:
        return wrong_error(json.loads(got.body), right, dialect)
    if got.endpoint != who:
        return f"answered by {got.endpoint}"
    return wrong_stream(got, right, dialect, who, word) if stream else wrong_whole(got, dialect, who, word)


def wrong_error(told: Any, right: Right, dialect: str) -> str | None:
    error = told["error"]
    if dialect == "anthropic":
        said, wanted = (told["type"], error["type"]), ("error", ANTHROPIC_TYPES.get(right.code, "api_error"))
    else:
        said, wanted = error["code"], right.code
    return None if said == wanted and error["message"] else f"error {said}"


def wrong_whole(got: Got, dialect: str, who: str, word: str) -> str | None:
    if dialect == "openai":
        return None if got.body == b"".join(texts(who, word, stream=False)) else NOT_ITS_OWN
    told = json.loads(got.body)
    said = (told if dialect == "anthropic" else told["output"][0])["content"][0]["text"]
    return None if said == begins(who, word) + ends(who, word) else f"text {said!r}"


def wrong_stream(got: Got, right: Right, dialect: str, who: str, word: str) -> str | None:
    if begins(who, word).encode() not in got.body:
        return "no beginning"
    if right.endless:
        return None if got.left else "it came to an end"
    events, last = got.events, DIALECTS[dialect].last
    names = [name for name, _ in events]
    if not right.code:
        if dialect == "openai" and got.body != b"".join(texts(who, word, stream=True)):
            return NOT_ITS_OWN
        is_whole = ends(who, word).encode() in got.body and names.index(last) == len(names) - 1
        return None if is_whole else "not whole, or it does not end with its end"
    if last in names:
        return "a broken stream that has a proper end"
    return wrong_failure(*events[-1], right, dialect)


def wrong_failure(name: str, told: Any, right: Right, dialect: str) -> str | None:
    """The event that ends a broken stream."""
    match dialect:
        case "openai":
            return wrong_error(told, right, dialect)
        case "anthropic":
            return wrong_error(told, right, dialect) if name == "error" else f"last event {name}"
        case _:
            failed = told.get("response", {}).get("error", told)
            return wrong_error({"error": failed}, right, dialect) if name in {"response.failed", "error"} else f"last event {name}"
