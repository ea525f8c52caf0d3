"""Encodes events as a stream of the Responses API. Pure; one encoder per response.

Every event has a sequence number. Every item is added before its deltas and done after them. The last event has the response.
A failure is an `error`, on which SDKs raise, and then `response.failed`, which Codex reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from octoroute.dialects.request.ids import NewId, call_id, random_id
from octoroute.dialects.response import usage as counts
from octoroute.dialects.response.citations import name_source
from octoroute.dialects.response.errors import client_message
from octoroute.dialects.response.sse import frame
from octoroute.dialects.responses import response
from octoroute.dialects.responses.annotations import encode_annotation
from octoroute.dialects.responses.failure import error_type, failure_code, failure_message
from octoroute.dialects.responses.open_item import (
    CALL_KINDS,
    CUSTOM_CALL,
    FUNCTION_CALL,
    PREFIXES,
    REFUSAL,
    SEARCH_CALL,
    TEXT,
    THINKING,
    OpenItem,
)
from octoroute.dialects.responses.tools import ToolTable
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    ImageProduced,
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


class ResponsesEncoder:
    """`model` is the name the client requested; `tools` are its tools; for `echo` see `response.Envelope`; `input_tokens` is an
    estimate.
    """

    def __init__(
        self,
        *,
        model: str,
        created_s: int,
        echo: Mapping[str, object],
        tools: ToolTable | None = None,
        input_tokens: int = 0,
        new_id: NewId = random_id,
    ) -> None:
        self._new_id = new_id
        self._tools = tools or ToolTable()
        self._envelope = response.Envelope(model=model, created_s=created_s, echo=echo, new_id=new_id)
        self._usage = counts.ResponseUsage(input_tokens)
        self._number = 0
        """Sequence number of the next event."""
        self._items: list[response.Fields] = []
        self._over = False
        self._open: OpenItem | None = None
        self._chars = 0
        """Of the text in the items so far."""

    def encode(self, events: Sequence[Event]) -> bytes:
        return b"".join([self._encode_event(event) for event in events])

    def add_item(self, prefix: str, make: Callable[[str], response.Fields]) -> bytes:
        """Add a complete item; `make` gets its id."""
        item = make(self._new_id(prefix))
        head = self._begin() + self._stop() + self._added(item)
        head += self._event("response.output_item.done", output_index=len(self._items), item=item)
        self._items.append(item)
        return head

    def fail(self, error: OctorouteError, request_id: str) -> bytes:
        del request_id  # sent as a header
        message = failure_message(error.kind, client_message(error), error.retry_after_s)
        return self._failed(error.kind, message, error.code)

    def _encode_event(self, event: Event) -> bytes:
        if self._over:
            return b""
        match event:
            case TextDelta(text=text):
                return self._delta(TEXT, text)
            case ToolCallDelta(arguments=text):
                return self._arguments(text)
            case ThinkingDelta(text=text):
                return self._delta(THINKING, text)
            case RefusalDelta(text=text):
                return self._delta(REFUSAL, text)
            case ThinkingSigned(signature=signature, origin=origin):
                return self._start_thinking() + self._stop((signature, origin))
            case ThinkingRedacted(data=data):
                return self._start(THINKING) + self._stop((data, None))
            case SourceCited():
                return self._cite(event)
            case ImageProduced(data=data):
                return self._begin() + self._stop() + self._image(data)
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
                return self._failed(kind, message, code)
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
        item = self._open
        if item is not None and item.kind == kind:
            return self._add(item, text)
        return self._start(kind) + self._add(self._opened(), text)

    def _add(self, item: OpenItem, text: str) -> bytes:
        item.parts.append(text)
        self._usage.chars += len(text)
        number = self._number
        self._number = number + 1
        return item.delta_head + b"%d" % number + item.delta_tail + _json(text) + b"}\n\n"

    def _arguments(self, text: str) -> bytes:
        """A fragment of the arguments of the open call."""
        item = self._open
        if item is None or item.tool is None or not text:
            return b""
        if item.kind == SEARCH_CALL:  # its arguments are an object, so they do not stream
            item.parts.append(text)
            self._usage.chars += len(text)
            return b""
        if item.input is not None:
            text = item.input.feed(text)
        return self._add(item, text) if text else b""

    def _cite(self, cited: SourceCited) -> bytes:
        """A citation belongs to the open text; after the end of its text, the source is named in further text."""
        head, item = b"", self._open
        if item is None or item.kind != TEXT or 0 < cited.end <= self._chars:
            words = name_source(cited)
            head, item = self._delta(TEXT, words), self._opened()
            end = sum(map(len, item.parts))
            annotation = encode_annotation(msgspec.structs.replace(cited, start=end - len(words), end=end))
            self._chars -= len(words)  # citations do not count these words
        else:
            annotation = encode_annotation(cited, self._chars)
        item.annotations.append(annotation)
        place = {**self._place(item), "annotation_index": len(item.annotations) - 1}
        return head + self._event("response.output_text.annotation.added", **place, annotation=annotation)

    def _start(self, kind: int) -> bytes:
        """Close the open item and add the next one."""
        head = self._begin() + self._stop()
        item = self._open = OpenItem(kind, self._new_id(PREFIXES[kind]), len(self._items))
        if kind == THINKING:
            head += self._added(response.reasoning_item(item.id, "", None))
            return head + self._event("response.reasoning_summary_part.added", **self._place(item), part=_summary(""))
        head += self._added(response.message_item(item.id, None))
        return head + self._event("response.content_part.added", **self._place(item), part=_text_part(item, ""))

    def _start_thinking(self) -> bytes:
        return b"" if self._open is not None and self._open.kind == THINKING else self._start(THINKING)

    def _start_call(self, event: ToolCallStarted) -> bytes:
        tool = self._tools.id_of(event.name)
        kind = CALL_KINDS.get(tool.kind, FUNCTION_CALL)
        item = OpenItem(kind, self._new_id(PREFIXES[kind]), len(self._items), tool, call_id(event.id, self._new_id))
        self._open = item
        return self._added(response.call_item(item.id, item.call_id, tool, "", "in_progress"))

    def _opened(self) -> OpenItem:
        assert self._open is not None
        return self._open

    def _image(self, data: str) -> bytes:
        self._usage.add_image()
        id, place = self._new_id("ig_"), len(self._items)
        item = response.image_item(id, data)
        added = self._event("response.output_item.added", output_index=place, item=response.image_item(id, None))
        done = self._event("response.image_generation_call.completed", item_id=id, output_index=place)
        self._items.append(item)
        return added + done + self._event("response.output_item.done", output_index=place, item=item)

    def _added(self, item: response.Fields) -> bytes:
        return self._event("response.output_item.added", output_index=len(self._items), item=item)

    def _place(self, item: OpenItem) -> response.Fields:
        place: response.Fields = {"item_id": item.id, "output_index": len(self._items)}
        if item.kind == THINKING:
            place["summary_index"] = 0
        elif item.kind in {TEXT, REFUSAL}:
            place["content_index"] = 0
        return place

    def _stop(self, signed: tuple[str, str | None] | None = None) -> bytes:
        """Close the open item. `signed`: the signature and origin of thinking; without an origin, redacted thinking."""
        item = self._open
        if item is None:
            return b""
        done = b""
        if item.input is not None and (rest := item.input.end()):
            done = self._add(item, rest)
        text, place = "".join(item.parts), self._place(item)
        if item.tool is not None:
            made = response.call_item(item.id, item.call_id, item.tool, text or ("{}" if item.kind == FUNCTION_CALL else ""))
            done += self._call_done(item, made, place)
        elif item.kind == THINKING:
            made = response.reasoning_item(item.id, text, _encrypted(text, signed))
            done += self._event("response.reasoning_summary_text.done", **place, text=text)
            done += self._event("response.reasoning_summary_part.done", **place, part=_summary(text))
        else:
            part = _text_part(item, text)
            self._chars += len(text) if item.kind == TEXT else 0
            made = response.message_item(item.id, part)
            final: response.Fields = {"refusal": text} if item.kind == REFUSAL else {"text": text, "logprobs": []}
            name = "response.refusal.done" if item.kind == REFUSAL else "response.output_text.done"
            done += self._event(name, **place, **final) + self._event("response.content_part.done", **place, part=part)
        done += self._event("response.output_item.done", output_index=len(self._items), item=made)
        self._items.append(made)
        self._open = None
        return done

    def _call_done(self, item: OpenItem, made: response.Fields, place: response.Fields) -> bytes:
        if item.kind == CUSTOM_CALL:
            return self._event("response.custom_tool_call_input.done", **place, input=made["input"])
        if item.kind == FUNCTION_CALL:
            done = {"name": made["name"], "arguments": made["arguments"]}
            return self._event("response.function_call_arguments.done", **place, **done)
        return b""

    def _finish(self, event: Finished) -> bytes:
        self._over = True
        finished = self._envelope.finished(self._items, event.reason, self._usage.at_end())
        return self._event(f"response.{finished['status']}", response=finished)

    def _failed(self, kind: str, message: str, code: str | None) -> bytes:
        """Encode the failure: an error, flat as documented and under `error`, where the SDK reads it; then the response."""
        if self._over:
            return b""
        self._over = True
        error = {"type": error_type(kind), "code": code, "message": message, "param": None}
        failed = self._envelope.failed(self._items, failure_code(kind, code), message)
        return self._event("error", code=code, message=message, param=None, error=error) + self._event(
            "response.failed", response=failed
        )


def _summary(text: str) -> response.Fields:
    return {"type": "summary_text", "text": text}


def _text_part(item: OpenItem, text: str) -> response.Fields:
    return response.text_part(text, refusal=item.kind == REFUSAL, annotations=item.annotations)


def _encrypted(text: str, signed: tuple[str, str | None] | None) -> str:
    if signed is None:
        return response.encrypted_content(text, None, None)
    signature, origin = signed
    return response.encrypted_redacted(signature) if origin is None else response.encrypted_content(text, signature, origin)
