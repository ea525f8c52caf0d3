"""Encodes events as a Messages stream. Pure; one encoder per response.

Clients check this grammar: `message_start`, blocks numbered without gaps and never overlapping, `message_delta`, `message_stop`.
One method opens the block and writes its delta, so that they always match.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from octoroute.dialects.anthropic.citations import encode_citation
from octoroute.dialects.anthropic.errors import error_frame
from octoroute.dialects.request import media
from octoroute.dialects.request.ids import NewId, UniqueIds, random_id
from octoroute.dialects.request.thinking_signatures import mark_signature
from octoroute.dialects.response import usage as counts
from octoroute.dialects.response.citations import name_source
from octoroute.dialects.response.errors import ANTHROPIC_TYPES
from octoroute.dialects.response.sse import frame
from octoroute.dialects.response.stop_reasons import TO_ANTHROPIC
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

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_NEW, _BEGUN, _OVER = range(3)
_NONE, _TEXT, _CITED, _THINKING, _TOOL = range(5)
"""What the open block is. After a citation, which is for the whole block, more text begins another block."""
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":'
_DELTA_NAMES = {
    _TEXT: (b"text_delta", b"text"),
    _THINKING: (b"thinking_delta", b"thinking"),
    _TOOL: (b"input_json_delta", b"partial_json"),
}
_json = msgspec.json.Encoder().encode


class AnthropicEncoder:
    """`model` is the name the client requested; `input_tokens` is an estimate, used until the upstream reports usage."""

    def __init__(self, *, model: str, input_tokens: int = 0, show_thinking: bool = True, new_id: NewId = random_id) -> None:
        self._model = model
        self._show_thinking = show_thinking
        self._new_id = new_id
        self._phase = _NEW
        self._refused = False
        self._open = _NONE
        self._index = -1
        self._before = b""
        """The bytes before the text of a delta of the open block."""
        self._blank = ""
        """White space that waits for visible text to begin a block with."""
        self._thinking: list[str] = []
        self._ids = UniqueIds()
        self._usage = counts.ResponseUsage(input_tokens)

    def encode(self, events: Sequence[Event]) -> bytes:
        if len(events) == 1 and self._open == _TEXT:
            event = events[0]
            if isinstance(event, TextDelta):
                text = event.text
                self._usage.chars += len(text)
                return self._before + _json(text) + b"}}\n\n"
        return b"".join([self._encode_event(event) for event in events])

    def fail(self, error: OctorouteError, request_id: str) -> bytes:
        if self._phase == _OVER:
            return b""
        self._end()
        return error_frame(ANTHROPIC_TYPES.get(error.kind, "api_error"), error.message, request_id)

    def _end(self) -> None:
        self._phase = _OVER
        self._open = _NONE

    def _encode_event(self, event: Event) -> bytes:
        if self._phase == _OVER:
            return b""
        match event:
            case TextDelta(text=text):
                return self._text(text)
            case ToolCallDelta(arguments=arguments):
                return self._delta(arguments) if arguments and self._open == _TOOL else b""
            case ThinkingDelta(text=text):
                return self._think(text)
            case ThinkingSigned(signature=signature, origin=origin):
                return self._sign(signature, origin)
            case ThinkingRedacted(data=data):
                return self._redacted(data)
            case ToolCallStarted():
                return self._call(event)
            case RefusalDelta(text=text):
                self._refused = True
                return self._text(text)
            case SourceCited():
                return self._cite(event)
            case ImageProduced(media_type=media_type, data=data):  # the format has no images of the assistant
                return self._text(media.markdown_image(media_type, data))
            case Started() | UsageReported():
                self._usage.reported = event.usage or self._usage.reported
                return self._begin() if isinstance(event, Started) else b""
            case Ping():
                return PING if self._phase == _BEGUN else b""
            case Finished():
                return self._begin() + self._stop() + self._finish(event)
            case Failed(kind=kind, message=message):
                self._end()
                return error_frame(ANTHROPIC_TYPES.get(kind, "api_error"), message, None)

    def _begin(self) -> bytes:
        if self._phase != _NEW:
            return b""
        self._phase = _BEGUN
        message: dict[str, object] = {
            "id": self._new_id("msg_"),
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": counts.to_anthropic(self._usage.at_start()),
        }
        return frame(_json({"type": "message_start", "message": message}), "message_start")

    def _text(self, text: str) -> bytes:
        if self._open == _TEXT:
            return self._delta(text) if text else b""
        text = self._blank + text
        if not text.strip():  # opens no block: Anthropic refuses a history with blank text
            self._blank = text
            return b""
        return self._start(_TEXT, {"type": "text", "text": ""}) + self._delta(text)

    def _cite(self, cited: SourceCited) -> bytes:
        """A citation belongs to the open text; where none is open, the source is named in a text of its own."""
        head = b""
        if self._open not in {_TEXT, _CITED}:
            head = self._text(name_source(cited))
        self._open = _CITED
        delta = b'{"type":"content_block_delta","index":%d,"delta":{"type":"citations_delta","citation":%b}}'
        return head + frame(delta % (self._index, _json(encode_citation(cited))), "content_block_delta")

    def _think(self, text: str) -> bytes:
        if not text or not self._show_thinking:
            return b""
        head = b"" if self._open == _THINKING else self._start(_THINKING, {"type": "thinking", "thinking": "", "signature": ""})
        self._thinking.append(text)
        return head + self._delta(text)

    def _sign(self, signature: str, origin: str) -> bytes:
        if not self._show_thinking:
            return b""
        head = b"" if self._open == _THINKING else self._start(_THINKING, {"type": "thinking", "thinking": "", "signature": ""})
        if origin != "anthropic":
            signature = mark_signature("", origin, signature)
        return head + self._signature(signature) + self._stop(signed=True)

    def _redacted(self, data: str) -> bytes:
        if not self._show_thinking:
            return b""
        return self._start(_THINKING, {"type": "redacted_thinking", "data": data}) + self._stop(signed=True)

    def _signature(self, signature: str) -> bytes:
        delta = b'{"type":"content_block_delta","index":%d,"delta":{"type":"signature_delta","signature":%b}}'
        return frame(delta % (self._index, _json(signature)), "content_block_delta")

    def _call(self, event: ToolCallStarted) -> bytes:
        id = self._ids.make_unique(event.id or self._new_id("toolu_"))
        return self._start(_TOOL, {"type": "tool_use", "id": id, "name": event.name, "input": {}})

    def _start(self, kind: int, block: dict[str, object]) -> bytes:
        """Close the open block and open the next."""
        head = self._begin() + self._stop()
        self._blank = ""
        self._open = kind
        self._index += 1
        name, key = _DELTA_NAMES[kind]
        self._before = _DELTA % (self._index, name, key)
        return head + frame(
            b'{"type":"content_block_start","index":%d,"content_block":%b}' % (self._index, _json(block)), "content_block_start"
        )

    def _delta(self, text: str) -> bytes:
        self._usage.chars += len(text)
        return self._before + _json(text) + b"}}\n\n"

    def _stop(self, *, signed: bool = False) -> bytes:
        if self._open == _NONE:
            return b""
        signature = b""
        if self._open == _THINKING and not signed:
            signature = self._signature(mark_signature("".join(self._thinking), "openai", None))
        self._thinking.clear()
        self._open = _NONE
        return signature + frame(b'{"type":"content_block_stop","index":%d}' % self._index, "content_block_stop")

    def _finish(self, event: Finished) -> bytes:
        self._phase = _OVER
        reason, stop_sequence = stop_reason(event, refused=self._refused)
        delta = {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": stop_sequence},
            "usage": counts.to_anthropic(self._usage.at_end()),
        }
        return frame(_json(delta), "message_delta") + frame(b'{"type":"message_stop"}', "message_stop")


def stop_reason(event: Finished, *, refused: bool) -> tuple[str, str | None]:
    """The (stop_reason, stop_sequence) of Anthropic's format; `refused`: the response contained a refusal."""
    if event.reason is FinishReason.STOP:
        if refused:
            return "refusal", None
        if event.stop_sequence is not None:
            return "stop_sequence", event.stop_sequence
    return TO_ANTHROPIC[event.reason], None
