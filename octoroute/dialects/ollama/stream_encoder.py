"""Encodes events as Ollama's responses, whole or one JSON object a line. Pure but for a clock; one encoder per response.

A tool call is complete in one object. The last object has `done`, the counts, and the durations in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from octoroute.dialects.ollama.errors import error_line
from octoroute.dialects.request.ids import NewId, UniqueIds, call_id, random_id
from octoroute.dialects.response import usage as counts
from octoroute.dialects.response.tool_arguments import normalize_arguments
from octoroute.dialects.response.upstream_error import error_from_event
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ImageProduced,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from octoroute.errors import OctorouteError

_json = msgspec.json.Encoder().encode
Fields = dict[str, Any]
_NS = 1_000_000_000


class ResponseShape(NamedTuple):
    """The form of a response that the client expects."""

    model: str
    """The name the client requested."""
    chat: bool
    """/api/chat, which has messages; otherwise /api/generate, which has texts."""
    show_thinking: bool
    arrived_at: float
    """Of the request, in seconds since the epoch."""


class OllamaEncoder:
    """`wall`: seconds since the epoch. `input_tokens` is an estimate, used until the upstream reports usage."""

    def __init__(
        self, shape: ResponseShape, wall: Callable[[], float], *, input_tokens: int = 0, new_id: NewId = random_id
    ) -> None:
        self._shape = shape
        self._wall = wall
        self._new_id = new_id
        self._first_at: float | None = None
        """Of the first content, in seconds since the epoch."""
        self._over = False
        self._call: ToolCallStarted | None = None
        """The call whose arguments are arriving."""
        self._arguments: list[str] = []
        self._calls = 0
        self._ids = UniqueIds()
        self._usage = counts.ResponseUsage(input_tokens)

    def encode(self, events: Sequence[Event]) -> bytes:
        return b"".join([self._event(event) for event in events])

    def fail(self, error: OctorouteError, request_id: str) -> bytes:
        del request_id  # has no field in this format
        if self._over:
            return b""
        self._over = True
        return error_line(error)

    def body(self, events: Sequence[Event]) -> bytes:
        """The whole response. Raises the UpstreamError of a `Failed` event."""
        texts: dict[str, list[str]] = {"content": [], "thinking": []}
        calls: list[Fields] = []
        images: list[str] = []
        finished = Finished(FinishReason.STOP)
        for event in events:
            if isinstance(event, Failed):
                raise error_from_event(event)
            if isinstance(event, Finished):
                finished = event
                continue
            for part in self._parts(event):
                calls += part.get("tool_calls", ())
                images += part.get("images", ())
                for name, pieces in texts.items():
                    pieces.append(part.get(name, ""))
        calls += self._end_call()
        message: Fields = {"content": "".join(texts["content"])}
        thinking = "".join(texts["thinking"])
        if thinking:
            message["thinking"] = thinking
        if calls:
            message["tool_calls"] = calls
        if images:
            message["images"] = images
        return _json({**self._object(message), **self._end(finished)})

    def _event(self, event: Event) -> bytes:
        if self._over:
            return b""
        if isinstance(event, Failed):
            self._over = True
            return error_line(error_from_event(event))
        if isinstance(event, Finished):
            self._over = True
            calls = self._end_call()
            head = self._line({"content": "", "tool_calls": calls}) if calls else b""
            return head + _json({**self._object({"content": ""}), **self._end(event)}) + b"\n"
        return b"".join([self._line(part) for part in self._parts(event)])

    def _parts(self, event: Event) -> list[Fields]:
        """The messages that `event` completes."""
        match event:
            case TextDelta(text=text) | RefusalDelta(text=text):
                return [*self._ended(), *self._text("content", text)]
            case ThinkingDelta(text=text):
                shown = self._text("thinking", text)
                return [*self._ended(), *(shown if self._shape.show_thinking else ())]
            case ToolCallStarted():
                ended = self._ended()
                self._call = event
                return ended
            case ToolCallDelta(arguments=arguments):
                self._usage.chars += len(arguments)
                self._arguments.append(arguments)
            case ImageProduced(data=data):
                return [*self._ended(), {"content": "", "images": [data]}]
            case UsageReported(usage=usage):
                self._usage.reported = usage
            case Started(usage=usage):
                self._usage.reported = usage or self._usage.reported
            case _:
                pass  # signatures have no place in this format
        return []

    def _text(self, name: str, text: str) -> list[Fields]:
        if not text:
            return []
        self._usage.chars += len(text)
        return [{"content": "", name: text}]

    def _ended(self) -> list[Fields]:
        """The message with the call whose arguments are complete; empty if no call is open."""
        calls = self._end_call()
        return [{"content": "", "tool_calls": calls}] if calls else []

    def _end_call(self) -> list[Fields]:
        """Close the open call, if there is one, and return it."""
        call, self._call = self._call, None
        if call is None:
            return []
        arguments = normalize_arguments("".join(self._arguments))
        self._arguments.clear()
        function: Fields = {"index": self._calls, "name": call.name, "arguments": msgspec.Raw(arguments.encode())}
        self._calls += 1
        return [{"id": self._ids.make_unique(call_id(call.id, self._new_id)), "function": function}]

    def _line(self, message: Fields) -> bytes:
        return _json({**self._object(message), "done": False}) + b"\n"

    def _object(self, message: Fields) -> Fields:
        now = self._wall()
        self._first_at = self._first_at or now
        head: Fields = {"model": self._shape.model, "created_at": _date(now)}
        if self._shape.chat:
            return {**head, "message": {"role": "assistant", **message}}
        return {**head, "response": message.pop("content"), **message}

    def _end(self, finished: Finished) -> Fields:
        now, usage = self._wall(), self._usage.at_end()
        first_at = self._first_at or now
        return {
            "done": True,
            "done_reason": "length" if finished.reason is FinishReason.LENGTH else "stop",
            "total_duration": _ns(now - self._shape.arrived_at),
            "load_duration": 0,
            "prompt_eval_count": usage.input_tokens,
            "prompt_eval_duration": _ns(first_at - self._shape.arrived_at),
            "eval_count": usage.output_tokens,
            "eval_duration": _ns(now - first_at),
        }


def _ns(seconds: float) -> int:
    """At least 1, because clients divide by durations."""
    return max(1, int(seconds * _NS))


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def write_loaded(model: str, wall: Callable[[], float], *, unload: bool) -> bytes:
    """The response to a request that only loads or unloads a model, for either route."""
    return _json(
        {
            "model": model,
            "created_at": _date(wall()),
            "message": {"role": "assistant", "content": ""},
            "response": "",
            "done": True,
            "done_reason": "unload" if unload else "load",
        }
    )
