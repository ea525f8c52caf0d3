"""A server of the kind that it is asked as."""

from __future__ import annotations

from tests.support.fake import DONE, chunk, completion, event, stream, whole

CLAUDE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip
GEMINI = {"candidates": [{"content": {"parts": [{"text": "hi"}], "role": "model"}, "finishReason": "STOP", "index": 0}]}


def by_kind(exchange):
    """A server of the kind that it is asked as."""
    path, asked = exchange.seen.path, exchange.seen.json
    if path.endswith("/messages"):
        steps = [
            event({"type": "message_start", "message": {**CLAUDE, "content": []}}, "message_start"),
            event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}, "message_delta"),
            event({"type": "message_stop"}, "message_stop"),
        ]
        return (stream(steps) if asked.get("stream") else whole(CLAUDE))(exchange)
    if "Content" in path:
        return (stream([event(GEMINI)]) if "stream" in path else whole(GEMINI))(exchange)
    return (stream([chunk({"content": "hi"}), chunk({}, "stop"), DONE]) if asked.get("stream") else whole(completion()))(exchange)
