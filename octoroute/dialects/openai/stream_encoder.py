"""Encodes events as a Chat Completions stream. Pure; one encoder per response.

All chunks share id, created, and model. Tool calls have indexes of their own. An error ends the stream without `[DONE]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from octoroute.dialects.openai.annotations import encode_annotation
from octoroute.dialects.openai.errors import error_event
from octoroute.dialects.openai.reasoning_details import redacted_detail, signed_details
from octoroute.dialects.openai.schema import with_signature
from octoroute.dialects.request import media
from octoroute.dialects.request.ids import NewId, call_id, random_id
from octoroute.dialects.response import usage as counts
from octoroute.dialects.response.errors import OPENAI_TYPES, openai_body
from octoroute.dialects.response.sse import frame
from octoroute.dialects.response.stop_reasons import TO_OPENAI
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


def image_part(media_type: str, data: str, index: int) -> dict[str, object]:
    """An image that the model made, as OpenRouter and the clients of image models write it."""
    return {"type": "image_url", "index": index, "image_url": {"url": media.data_url(media_type, data)}}


class OpenAIEncoder:
    """`model` is the name the client requested; `created_s` is in seconds since the epoch.

    `input_tokens` is an estimate, used if the upstream reports no usage. `show_thinking`: send thinking, and signed thinking once
    more as `reasoning_details`, for clients that send it back.
    """

    _reasons = TO_OPENAI

    def __init__(
        self,
        *,
        model: str,
        created_s: int,
        include_usage: bool = False,
        show_thinking: bool = True,
        input_tokens: int = 0,
        new_id: NewId = random_id,
    ) -> None:
        self._head = b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,' % (
            _json(new_id("chatcmpl-")),
            created_s,
            _json(model),
        )
        self._before = self._head + b'"choices":[{"index":0,"delta":{'
        self._after = b'},"finish_reason":null}]' + (b',"usage":null' if include_usage else b"") + b"}\n\n"
        self._include_usage = include_usage
        self._show_thinking = show_thinking
        self._new_id = new_id
        self._started = self._over = False
        self._empty_call = -1
        """Index of the tool call that has no arguments yet; -1: none."""
        self._thinking: list[str] = []
        """Of the block that is not signed yet."""
        self._listed = {"reasoning_details": 0, "annotations": 0}
        """Entries of these lists so far."""
        self._usage = counts.ResponseUsage(input_tokens)

    def encode(self, events: Sequence[Event]) -> bytes:
        if len(events) == 1 and self._started and self._empty_call < 0:
            event = events[0]
            if isinstance(event, TextDelta):
                return self._text(b'"content":', event.text)
        return b"".join([self._encode_event(event) for event in events])

    def fail(self, error: OctorouteError, request_id: str) -> bytes:
        if self._over:
            return b""
        self._over = True
        return error_event(error, request_id)

    def _text(self, key: bytes, text: str) -> bytes:
        if self._over:
            return b""
        self._usage.chars += len(text)
        return self._before + key + _json(text) + self._after

    def _encode_event(self, event: Event) -> bytes:
        if self._over:
            return b""
        match event:
            case TextDelta(text=text):
                return self._begin() + self._text(b'"content":', text)
            case ToolCallDelta(index=index, arguments=arguments):
                return self._arguments(index, arguments)
            case ThinkingDelta(text=text):
                self._thinking.append(text)
                return self._begin() + self._text(b'"reasoning_content":', text) if self._show_thinking else b""
            case ThinkingSigned(signature=signature, origin=origin):
                text = "".join(self._thinking)
                self._thinking.clear()
                return self._reasoning(signed_details(text, signature, origin, self._listed["reasoning_details"]))
            case ThinkingRedacted(data=data):
                return self._reasoning([redacted_detail(data, self._listed["reasoning_details"])])
            case ToolCallStarted():
                return self._begin() + self._call(event)
            case RefusalDelta(text=text):
                return self._begin() + self._text(b'"refusal":', text)
            case ImageProduced():
                return self._begin() + self._image(event)
            case SourceCited():
                # OpenAI's SDK joins the entries of a list by their index
                return self._entries("annotations", [{"index": self._listed["annotations"], **encode_annotation(event)}])
            case Started(usage=usage):
                self._usage.reported = usage or self._usage.reported
                return self._begin()
            case UsageReported(usage=usage):
                self._usage.reported = usage
                return b""
            case Finished():
                return self._begin() + self._finish(event)
            case Failed(kind=kind, message=message, code=code):
                self._over = True
                return frame(openai_body(message, OPENAI_TYPES.get(kind, kind), code))
            case _:
                return b": ping\n\n"

    def _begin(self) -> bytes:
        """Send the role before anything else; send `{}` for a call that ended without arguments, so that clients can parse them."""
        if not self._started:
            self._started = True
            return self._before + b'"role":"assistant","content":""' + self._after
        return self._arguments(self._empty_call, "{}") if self._empty_call >= 0 else b""

    def _reasoning(self, details: Sequence[dict[str, object]]) -> bytes:
        return self._entries("reasoning_details", details) if self._show_thinking and details else b""

    def _entries(self, name: str, entries: Sequence[dict[str, object]]) -> bytes:
        self._listed[name] += len(entries)
        return self._begin() + self._before + b'"%b":' % name.encode() + _json(entries) + self._after

    def _image(self, event: ImageProduced) -> bytes:
        """In OpenRouter's form: OpenAI's own has none."""
        part = image_part(event.media_type, event.data, self._usage.add_image())
        return self._before + b'"images":[' + _json(part) + b"]" + self._after

    def _call(self, event: ToolCallStarted) -> bytes:
        self._empty_call = event.index
        call: dict[str, Any] = {
            "index": event.index,
            "id": call_id(event.id, self._new_id),
            "type": "function",
            "function": {"name": event.name, "arguments": ""},
        }
        with_signature(call, event.signature)
        return self._before + b'"tool_calls":[' + _json(call) + b"]" + self._after

    def _arguments(self, index: int, arguments: str) -> bytes:
        if not arguments:
            return b""
        self._empty_call = -1
        self._usage.chars += len(arguments)
        return self._before + b'"tool_calls":[{"index":%d,"function":{"arguments":%b}}]' % (index, _json(arguments)) + self._after

    def _finish(self, event: Finished) -> bytes:
        self._over = True
        last = self._before + b'},"finish_reason":"' + self._reasons[event.reason].encode() + b'"}]'
        last += (b',"usage":null' if self._include_usage else b"") + b"}\n\n"
        if self._include_usage:
            last += self._head + b'"choices":[],"usage":' + _json(counts.to_openai(self._usage.at_end())) + b"}\n\n"
        return last + b"data: [DONE]\n\n"
