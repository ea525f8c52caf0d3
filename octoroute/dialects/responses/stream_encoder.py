"""Encodes events as a stream of the Responses API. Pure; one encoder per response.

Every event has a sequence number. Every item is added before its deltas and done after them. The last event has the response.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from octoroute.dialects.request.ids import NewId, random_id
from octoroute.dialects.response import usage as counts
from octoroute.dialects.response.errors import OPENAI_TYPES
from octoroute.dialects.response.sse import frame
from octoroute.dialects.responses import response
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    RefusalDelta,
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

_NONE, _TEXT, _REFUSAL, _THINKING, _CALL = range(5)
_PREFIX = {_TEXT: "msg_", _REFUSAL: "msg_", _THINKING: "rs_", _CALL: "fc_"}
_DELTA_EVENTS = {
    _TEXT: b"response.output_text.delta",
    _REFUSAL: b"response.refusal.delta",
    _THINKING: b"response.reasoning_summary_text.delta",
    _CALL: b"response.function_call_arguments.delta",
}
_PLACES = {_TEXT: b',"content_index":0', _REFUSAL: b',"content_index":0', _THINKING: b',"summary_index":0', _CALL: b""}
_json = msgspec.json.Encoder().encode


class ResponsesEncoder:
    """`model` is the name the client requested; for `echo` see `response.Envelope`; `input_tokens` is an estimate."""

    def __init__(
        self, *, model: str, created_s: int, echo: Mapping[str, object], input_tokens: int = 0, new_id: NewId = random_id
    ) -> None:
        self._new_id = new_id
        self._envelope = response.Envelope(model=model, created_s=created_s, echo=echo, new_id=new_id)
        self._usage = counts.ResponseUsage(input_tokens)
        self._number = 0
        """Sequence number of the next event."""
        self._items: list[response.Fields] = []
        self._over = False
        self._open = _NONE
        self._id = ""
        self._parts: list[str] = []
        self._call: ToolCallStarted | None = None
        self._delta_head = self._delta_tail = b""

    def encode(self, events: Sequence[Event]) -> bytes:
        return b"".join([self._encode_event(event) for event in events])

    def fail(self, error: OctorouteError, request_id: str) -> bytes:
        del request_id  # sent as a header
        return self._failed(OPENAI_TYPES.get(error.kind, "server_error"), error.message, error.code)

    def _encode_event(self, event: Event) -> bytes:
        if self._over:
            return b""
        match event:
            case TextDelta(text=text):
                return self._delta(_TEXT, text)
            case ToolCallDelta(arguments=text):
                return self._delta(_CALL, text) if self._open == _CALL else b""
            case ThinkingDelta(text=text):
                return self._delta(_THINKING, text)
            case RefusalDelta(text=text):
                return self._delta(_REFUSAL, text)
            case ThinkingSigned(signature=signature, origin=origin):
                head = b"" if self._open == _THINKING else self._start(_THINKING)
                return head + self._stop(response.encrypted_content(signature, origin))
            case ThinkingRedacted(data=data):
                return self._start(_THINKING) + self._stop(response.encrypted_redacted(data))
            case ToolCallStarted():
                return self._begin() + self._stop() + self._start_call(event)
            case Started(usage=usage):
                self._usage.reported = usage or self._usage.reported
                return self._begin()
            case UsageReported(usage=usage):
                self._usage.reported = usage
                return b""
            case Finished():
                return self._begin() + self._stop() + self._finish(event)
            case Failed(kind=kind, message=message, code=code):
                return self._failed(OPENAI_TYPES.get(kind, "server_error"), message, code)
            case _:
                return b": ping\n\n"

    def _event(self, type: str, **fields: Any) -> bytes:
        data = _json({"type": type, "sequence_number": self._number, **fields})
        self._number += 1
        return frame(data, type)

    def _begin(self) -> bytes:
        if self._number:
            return b""
        begun = self._envelope.in_progress()
        return self._event("response.created", response=begun) + self._event("response.in_progress", response=begun)

    def _delta(self, kind: int, text: str) -> bytes:
        if not text:
            return b""
        head = b"" if self._open == kind else self._start(kind)
        self._parts.append(text)
        self._usage.chars += len(text)
        number = self._number
        self._number = number + 1
        return head + self._delta_head + b"%d" % number + self._delta_tail + _json(text) + b"}\n\n"

    def _start(self, kind: int) -> bytes:
        """Close the open item and add the next one."""
        head = self._begin() + self._stop()
        self._open_as(kind)
        if kind == _THINKING:
            head += self._added(response.reasoning_item(self._id, "", None))
            return head + self._event("response.reasoning_summary_part.added", **self._place(), part=_summary(""))
        head += self._added(response.message_item(self._id, None))
        return head + self._event("response.content_part.added", **self._place(), part=self._text_part(""))

    def _start_call(self, event: ToolCallStarted) -> bytes:
        self._open_as(_CALL)
        self._call = ToolCallStarted(event.index, event.id or self._new_id("call_"), event.name)
        return self._added(response.call_item(self._id, self._call.id, event.name, "", "in_progress"))

    def _open_as(self, kind: int) -> None:
        self._open = kind
        self._id = self._new_id(_PREFIX[kind])
        name = _DELTA_EVENTS[kind]
        self._delta_head = b'event: %b\ndata: {"type":"%b","sequence_number":' % (name, name)
        logprobs = b',"logprobs":[]' if kind == _TEXT else b""
        place = b',"item_id":"%b","output_index":%d%b%b' % (self._id.encode(), len(self._items), _PLACES[kind], logprobs)
        self._delta_tail = place + b',"delta":'

    def _added(self, item: response.Fields) -> bytes:
        return self._event("response.output_item.added", output_index=len(self._items), item=item)

    def _place(self) -> response.Fields:
        place: response.Fields = {"item_id": self._id, "output_index": len(self._items)}
        if self._open == _THINKING:
            place["summary_index"] = 0
        elif self._open != _CALL:
            place["content_index"] = 0
        return place

    def _text_part(self, text: str) -> response.Fields:
        return response.text_part(text, refusal=self._open == _REFUSAL)

    def _stop(self, encrypted: str | None = None) -> bytes:
        if self._open == _NONE:
            return b""
        text, place = "".join(self._parts), self._place()
        self._parts.clear()
        if self._open == _CALL:
            assert self._call is not None
            name, text = self._call.name, text or "{}"
            item = response.call_item(self._id, self._call.id, name, text)
            done = self._event("response.function_call_arguments.done", **place, name=name, arguments=text)
        elif self._open == _THINKING:
            item = response.reasoning_item(self._id, text, encrypted)
            done = self._event("response.reasoning_summary_text.done", **place, text=text)
            done += self._event("response.reasoning_summary_part.done", **place, part=_summary(text))
        else:
            part = self._text_part(text)
            item = response.message_item(self._id, part)
            final: response.Fields = {"refusal": text} if self._open == _REFUSAL else {"text": text, "logprobs": []}
            done = self._event("response.refusal.done" if self._open == _REFUSAL else "response.output_text.done", **place, **final)
            done += self._event("response.content_part.done", **place, part=part)
        done += self._event("response.output_item.done", output_index=len(self._items), item=item)
        self._items.append(item)
        self._open = _NONE
        return done

    def _finish(self, event: Finished) -> bytes:
        self._over = True
        finished = self._envelope.finished(self._items, event.reason, self._usage.at_end())
        return self._event(f"response.{finished['status']}", response=finished)

    def _failed(self, type: str, message: str, code: str | None) -> bytes:
        """Encode the error event: flat as documented, and under `error`, where the official SDK reads it."""
        if self._over:
            return b""
        self._over = True
        error = {"type": type, "code": code, "message": message, "param": None}
        return self._event("error", code=code, message=message, param=None, error=error)


def _summary(text: str) -> response.Fields:
    return {"type": "summary_text", "text": text}
