"""An independent, strict reader of Anthropic's stream: what an official client would choke on is an AssertionError here.

Written from the format's grammar alone; it shares no code with the package under test.
"""

from __future__ import annotations

import json
from typing import Any

DELTA_OF = {
    "text": {"text_delta": "text"},
    "thinking": {"thinking_delta": "thinking", "signature_delta": "signature"},
    "tool_use": {"input_json_delta": "partial_json"},
    "redacted_thinking": {},
}


def frames_of(raw: bytes) -> list[tuple[str, dict[str, Any]]]:
    assert raw.endswith(b"\n\n") or not raw, "the last frame is not closed"
    frames = []
    for chunk in raw.decode().split("\n\n")[:-1]:
        lines = chunk.split("\n")
        assert len(lines) == 2, f"a frame of {len(lines)} lines: {chunk!r}"
        assert lines[0].startswith("event: ") and lines[1].startswith("data: ")
        data = json.loads(lines[1][6:])
        assert data["type"] == lines[0][7:], "the event's name and its type differ"
        frames.append((data["type"], data))
    return frames


def check(raw: bytes, *, complete: bool = True) -> dict[str, Any]:
    """The message that the stream amounts to, with `events` (names) and, after an error event, `error`."""
    message: dict[str, Any] = {}
    state = {"open": None, "ended": False, "delta": False}
    names = []
    for name, data in frames_of(raw):
        names.append(name)
        assert not state["ended"], f"{name} after the end"
        if name == "ping":
            assert message, "a ping before message_start"
            continue
        if name == "error":
            assert set(data) >= {"type", "error"} and data["error"]["type"] and isinstance(data["error"]["message"], str)
            state["ended"] = True
            message["error"] = data["error"]
            continue
        if name == "message_start":
            assert not message, "a second message_start"
            message = _start(data["message"])
            continue
        assert message, f"{name} before message_start"
        _follow(name, data, message, state)
    message["events"] = names
    if complete:
        assert state["ended"] and "error" not in message, "no proper end"
        assert names[-1] == "message_stop"
    for block in message.get("content", ()):
        block.pop("_json", None)
    return message


def _start(message: dict[str, Any]) -> dict[str, Any]:
    assert message["type"] == "message" and message["role"] == "assistant" and message["id"].startswith("msg_")
    assert message["content"] == [] and message["stop_reason"] is None and message["stop_sequence"] is None
    assert isinstance(message["usage"]["input_tokens"], int) and message["usage"]["output_tokens"] >= 0
    return dict(message)


def _follow(name: str, data: dict[str, Any], message: dict[str, Any], state: dict[str, Any]) -> None:
    content = message["content"]
    if name == "content_block_start":
        assert state["open"] is None, "two blocks open"
        assert not state["delta"], "a block after message_delta"
        assert data["index"] == len(content), "a gap between blocks"
        block = dict(data["content_block"])
        assert block["type"] in DELTA_OF
        if block["type"] == "tool_use":
            assert block["input"] == {} and block["id"] and block["name"]
            assert all(c.isalnum() or c in "-_" for c in block["id"]) and len(block["id"]) <= 64
            assert block["id"] not in [other.get("id") for other in content], "an id twice"
            block["_json"] = ""
        content.append(block)
        state["open"] = data["index"]
    elif name == "content_block_delta":
        assert data["index"] == state["open"], "a delta for a block that is not open"
        block = content[data["index"]]
        delta = data["delta"]
        if delta["type"] == "citations_delta":
            assert block["type"] == "text", "a citation outside a text"
            block.setdefault("citations", []).append(delta["citation"])
            return
        assert delta["type"] in DELTA_OF[block["type"]], f"{delta['type']} in a {block['type']} block"
        key = DELTA_OF[block["type"]][delta["type"]]
        assert delta[key] != "", "an empty delta"
        assert not (block["type"] == "thinking" and block["signature"]), "a delta after the signature"
        target = "_json" if key == "partial_json" else key
        block[target] += delta[key]
    elif name == "content_block_stop":
        assert data["index"] == state["open"], "a stop for a block that is not open"
        state["open"] = None
        block = content[data["index"]]
        if block["type"] == "text":
            assert block["text"], "an empty text block"
        if block["type"] == "thinking":
            assert block["signature"], "thinking without a signature"
        if block["type"] == "tool_use":
            block["raw"] = block["_json"]
            try:
                block["input"] = json.loads(block["_json"] or "{}")
            except ValueError:
                block["input"] = None  # cut by the token limit: the caller looks at the stop reason
    elif name == "message_delta":
        assert state["open"] is None, "message_delta inside a block"
        state["delta"] = True
        message |= {key: data["delta"][key] for key in ("stop_reason", "stop_sequence")}
        assert {"input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"} <= set(data["usage"])
        message["usage"] = data["usage"]
    else:
        assert name == "message_stop", f"{name} is no event"
        assert state["delta"], "message_stop without message_delta"
        state["ended"] = True
