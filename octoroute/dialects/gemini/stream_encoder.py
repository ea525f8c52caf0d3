"""Encodes events as Gemini's responses, whole or as a stream of server-sent events. Pure; one encoder per response.

Each chunk is a response object with new parts, a function call is complete in one part, and the last chunk has the finish reason
and the usage. Source: https://ai.google.dev/api/generate-content.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from octoroute.dialects.gemini.errors import error_frame, write_failure
from octoroute.dialects.gemini.marks import CALL, encode_mark
from octoroute.dialects.gemini.sources import GroundingWriter
from octoroute.dialects.request.ids import NewId, UniqueIds, call_id, random_id
from octoroute.dialects.request.thinking_signatures import REDACTED
from octoroute.dialects.response import usage as counts
from octoroute.dialects.response.sse import frame
from octoroute.dialects.response.stop_reasons import to_gemini
from octoroute.dialects.response.tool_arguments import normalize_arguments
from octoroute.dialects.response.upstream_error import error_from_event
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ImageProduced,
    Ping,
    RefusalDelta,
    SourceCited,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from octoroute.errors import OctorouteError

_json = msgspec.json.Encoder().encode
Fields = dict[str, Any]
_BEFORE = b'data: {"candidates":[{"content":{"parts":[{"text":'


class GeminiEncoder:
    """`model` is the name the client requested; `input_tokens` is an estimate, used until the upstream reports usage."""

    def __init__(self, *, model: str, input_tokens: int = 0, show_thinking: bool = True, new_id: NewId = random_id) -> None:
        self._show_thinking = show_thinking
        self._origin: Fields = {"modelVersion": model, "responseId": new_id("resp_")}
        """What every chunk ends with."""
        self._over = False
        self._calls = _CallWriter(new_id)
        self._refused = self._hidden = False
        """`_hidden`: the client does not see the thinking whose signature comes next."""
        self._sources = GroundingWriter()
        self._usage = counts.ResponseUsage(input_tokens)
        self._after = b'}],"role":"model"},"index":0}],' + _json(self._origin)[1:] + b"\n\n"

    def encode(self, events: Sequence[Event]) -> bytes:
        if len(events) == 1 and self._calls.call is None and not self._over:
            event = events[0]
            if isinstance(event, TextDelta) and event.text:
                self._usage.chars += len(event.text)
                self._sources.add_text(event.text)
                return _BEFORE + _json(event.text) + self._after
        out: list[bytes] = []
        parts: list[Fields] = []
        for event in events:
            if self._over:
                break
            if isinstance(event, Failed):
                self._over = True
                out.append(self._flush(parts) + frame(write_failure(event)))
            elif isinstance(event, Finished):
                self._calls.end(parts)
                self._over = True
                out.append(frame(self._response(parts, event)))
                parts = []
            else:
                self._part(event, parts)
        out.append(self._flush(parts))
        return b"".join(out)

    def body(self, events: Sequence[Event]) -> bytes:
        """The whole response. Raises the UpstreamError of a `Failed` event."""
        parts: list[Fields] = []
        finished = Finished(FinishReason.STOP)
        for event in events:
            match event:
                case Failed():
                    raise error_from_event(event)
                case Finished():
                    finished = event
                case _:
                    self._part(event, parts)
        self._calls.end(parts)
        return self._response(_merged(parts), finished)

    def fail(self, error: OctorouteError, request_id: str) -> bytes:
        if self._over:
            return b""
        self._over = True
        return error_frame(error, request_id)

    def _flush(self, parts: list[Fields]) -> bytes:
        data = frame(self._response(parts, None)) if parts else b""
        parts.clear()
        return data

    def _response(self, parts: list[Fields], finished: Finished | None) -> bytes:
        candidate: Fields = {"content": {"parts": parts, "role": "model"}, "index": 0}
        body: Fields = {"candidates": [candidate]}
        if finished is not None:
            reason = finished.reason
            if self._refused and reason is FinishReason.STOP:
                reason = FinishReason.REFUSAL
            candidate["finishReason"] = to_gemini(reason, finished.raw)
            if (grounding := self._sources.metadata()) is not None:
                candidate["groundingMetadata"] = grounding
            body["usageMetadata"] = counts.to_gemini(self._usage.at_end())
        return _json({**body, **self._origin})

    def _part(self, event: Event, parts: list[Fields]) -> None:
        match event:
            case TextDelta(text=text):
                self._sources.add_text(text)
                self._text(text, parts)
            case SourceCited():
                self._sources.add(event)
            case RefusalDelta(text=text):
                self._refused = True
                self._text(text, parts)
            case ThinkingDelta(text=text):
                self._calls.end(parts)
                self._usage.chars += len(text)
                if text and self._show_thinking:
                    parts.append({"text": text, "thought": True})
                self._hidden = not self._show_thinking and (self._hidden or bool(text))
            case ThinkingSigned(signature=signature, origin=origin):
                self._sign(signature if origin == "gemini" else encode_mark("", origin, signature), parts)
            case ThinkingRedacted(data=data):
                self._sign(encode_mark("", REDACTED, data), parts)
            case ImageProduced(media_type=media_type, data=data):
                self._calls.end(parts)
                self._usage.add_image()
                parts.append({"inlineData": {"mimeType": media_type, "data": data}})
            case ToolCallStarted():
                self._calls.start(event, parts)
            case ToolCallDelta(arguments=arguments):
                self._usage.chars += len(arguments)
                self._calls.arguments.append(arguments)
            case UsageReported(usage=usage):
                self._usage.reported = usage
            case Started(usage=usage):
                self._usage.reported = usage or self._usage.reported
            case Ping() | Finished() | Failed():
                pass

    def _text(self, text: str, parts: list[Fields]) -> None:
        self._calls.end(parts)
        if text:
            self._usage.chars += len(text)
            parts.append({"text": text})

    def _sign(self, signature: str, parts: list[Fields]) -> None:
        """The signature has a part of its own: a stream has sent the parts with the thinking before."""
        self._calls.end(parts)
        hidden, self._hidden = self._hidden, False
        if not hidden:  # a signature is valid for its text only
            parts.append({"text": "", "thought": True, "thoughtSignature": signature})


class _CallWriter:
    """Writes each call when its arguments are complete. One per response."""

    __slots__ = ("_ids", "_marked", "_new_id", "arguments", "call")

    def __init__(self, new_id: NewId) -> None:
        self._new_id = new_id
        self._ids = UniqueIds()
        self._marked = False
        """A call of this response has a signature."""
        self.call: ToolCallStarted | None = None
        """The call whose arguments are arriving."""
        self.arguments: list[str] = []

    def start(self, call: ToolCallStarted, parts: list[Fields]) -> None:
        self.end(parts)
        self.call = call

    def end(self, parts: list[Fields]) -> None:
        """Append the call whose arguments are complete, if there is one."""
        call, self.call = self.call, None
        if call is None:
            return
        arguments = normalize_arguments("".join(self.arguments))
        self.arguments.clear()
        id = self._ids.make_unique(call_id(call.id, self._new_id))
        part: Fields = {"functionCall": {"id": id, "name": call.name, "args": msgspec.Raw(arguments.encode())}}
        signature = call.signature or (None if self._marked else encode_mark("", CALL, "-"))
        if signature is not None:
            part["thoughtSignature"] = signature
        self._marked = True
        parts.append(part)


def _merged(parts: list[Fields]) -> list[Fields]:
    """Join neighbouring texts, and thinking with the signature after it."""
    merged: list[Fields] = []
    pieces: list[str] = []
    for part in parts:
        last = merged[-1] if merged else None
        joins = (
            last is not None and "text" in part and "text" in last and part.get("thought") == last.get("thought")
            and "thoughtSignature" not in last
        )  # fmt: skip
        if not joins:
            _close(merged, pieces)
            merged.append(part)
        elif "thoughtSignature" in part and last is not None:
            last["thoughtSignature"] = part["thoughtSignature"]
        if "text" in part:
            pieces.append(part["text"])
    _close(merged, pieces)
    return merged


def _close(merged: list[Fields], pieces: list[str]) -> None:
    if merged and pieces:
        merged[-1]["text"] = "".join(pieces)
    pieces.clear()
