"""The requests, as bytes on the wire. Their prompt is one the rule table decides, so that no model is asked for the tier."""

from __future__ import annotations

import json
from dataclasses import dataclass

KEY = "sk-bench-0123456789abcdef0123456789abcdef"

_SYSTEM = "You are a careful senior engineer. Show the corrected code first, and name what was wrong with it in one sentence."
_QUESTION = "Please debug this Python function. It should return the median of some numbers, but an even number of them fails:\n"
_CODE = """```python
def median(numbers):
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle] + ordered[middle + 1]) / 2
```
"""
_PADDING = "The call that fails is median([1, 2, 3, 4]), for which an IndexError or a wrong value is reported now and then. "


@dataclass(frozen=True)
class Payload:
    path: str
    body: bytes

    def wire(self, port: int, headers: dict[str, str]) -> bytes:
        fields = {"host": f"127.0.0.1:{port}", "content-type": "application/json", "content-length": len(self.body), **headers}
        lines = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        return "\r\n".join(lines).encode() + self.body


def _prompt(size: int) -> str:
    text = _QUESTION + _CODE
    return text + _PADDING * max(0, (size - len(text)) // len(_PADDING))


def _chat(size: int, *, stream: bool) -> Payload:
    body: dict[str, object] = {
        "model": "auto",
        "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _prompt(size - 280)}],
        "temperature": 0.2,
        "max_tokens": 512,
    }
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return Payload("/v1/chat/completions", json.dumps(body, separators=(",", ":")).encode())


def _anthropic_stream(size: int) -> Payload:
    messages = [{"role": "user", "content": _prompt(size - 280)}]
    body = {"model": "auto", "max_tokens": 512, "stream": True, "system": _SYSTEM, "messages": messages}
    return Payload("/v1/messages", json.dumps(body, separators=(",", ":")).encode())


PAYLOADS = {
    "1k": _chat(1024, stream=False),
    "32k": _chat(32_768, stream=False),
    "stream": _chat(1024, stream=True),
    "translated": _anthropic_stream(1024),
}
