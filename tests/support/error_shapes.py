"""Errors in the shapes in which servers report them, as JSON; of one cause each."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

OVERLOADED = "the engine is overloaded"


def shapes(message: str, type: str, code: str | int) -> dict[str, Any]:
    """The same error in every shape; none of them is one of the vendor's own responses."""
    status = {"type": type, "message": message, "code": code}
    return {
        "openai": {"error": {"message": message, "type": type, "param": None, "code": code}},
        "anthropic": {"type": "error", "error": {"type": type, "message": message}},
        "google": {"error": {"code": code, "message": message, "status": type}},
        "google list": [{"error": {"code": code, "message": message, "status": type}}],
        "text": {"error": message},
        "text with type": {"error": message, "error_type": type},
        "vllm": {"object": "error", **status, "param": None},
        "fastapi": {"detail": message},
        "fastapi object": {"detail": {"error": {"message": message, "type": type}}},
        "message and code": {"message": message, "code": code or 500},
        "message alone": {"message": message},
        "problem": {"type": "about:blank", "title": type, "status": 500, "detail": message},
        "success": {"success": False, "msg": message, "code": code},
        "status": {"status": "error", "message": message},
        "minimax": {"base_resp": {"status_code": 1013, "status_msg": message}},
        "baidu": {"error_code": 336100, "error_msg": message},
        "nested": {"error": {"message": json.dumps({"error": {"message": message, "type": type}}), "code": 500}},
        "openrouter": {"error": {"message": "Provider returned error", "code": 502, "metadata": {"raw": message}}},
        "with empty choices": {"id": "x", "choices": [], "error": {"message": message, "type": type}},
    }


NAMES = tuple(shapes("", "", ""))


def shuffled(value: Any, order: Any) -> Any:
    """The same JSON with the members of every object in another order."""
    if isinstance(value, dict):
        items = [(name, shuffled(inner, order)) for name, inner in value.items()]
        order.shuffle(items)
        return dict(items)
    return [shuffled(inner, order) for inner in value] if isinstance(value, list) else value


@st.composite
def errors(draw, message: str = OVERLOADED, type: str = "server_error", code: str | int = 500) -> Any:
    """An error of any shape, with its members in any order, and members that mean nothing."""
    found = shuffled(shapes(message, type, code)[draw(st.sampled_from(NAMES))], draw(st.randoms(use_true_random=False)))
    if isinstance(found, dict):
        found |= draw(st.dictionaries(st.sampled_from(["id", "request_id", "created", "model", "x"]), st.text("ab1", max_size=3)))
    return found


WRITTEN = ("data", "data without blank", "event", "named", "field", "bare", "pretty", "in lines")
"""How servers write an error into a stream."""


def written(error: Any, how: str, end: bytes = b"\n") -> bytes:
    data = json.dumps(error).encode()
    pretty = json.dumps(error, indent=2).encode()
    lines = {
        "data": [b"data: " + data],
        "data without blank": [b"data:" + data],
        "event": [b"event: error", b"data: " + data],
        "named": [b"id: 3", b"event: error", b"data: " + data],
        "field": [b"error: " + data],
        "bare": [data],
        "pretty": pretty.split(b"\n"),
        "in lines": [b"data: " + line for line in pretty.split(b"\n")],
    }[how]
    return end.join([*lines, b"", b""])
