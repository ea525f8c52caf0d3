"""Decodes the stream of an Anthropic server into events; unknown events, deltas, and blocks are skipped. Pure; one per response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from octoroute.dialects.anthropic import schema
from octoroute.dialects.request.json_input import read_response
from octoroute.dialects.response.blocks import UNNAMED_TOOL_CALL
from octoroute.dialects.response.sse import read_frames
from octoroute.dialects.response.stop_reasons import FROM_ANTHROPIC, resolve_reason
from octoroute.dialects.response.upstream_error import read_failed_event
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    Ping,
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
from octoroute.domain.outcome import Usage

_EVENT = msgspec.json.Decoder(schema.StreamEvent)


class AnthropicDecoder:
    """`names` maps the upstream's tool names to the client's, where they differ."""

    __slots__ = ("_block", "_calls", "_details", "_input", "_names", "_over", "_reason", "_started", "_stop_sequence", "_usage")

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = names or {}
        self._block: int | None = None
        """Index of the open tool block; None if none is open."""
        self._calls = 0
        self._input = ""
        """The input in the start of the open tool block, used if no fragments follow."""
        self._started = False
        self._over = False
        self._reason: str | None = None
        self._stop_sequence: str | None = None
        self._details: str | None = None
        self._usage: Usage | None = None

    def feed(self, frames: bytes) -> Sequence[Event]:
        out: list[Event] = []
        for name, data in read_frames(frames):
            if self._over:
                break
            if data.strip() and data != b"[DONE]":
                self._event(read_response(_EVENT, data, "stream"), name, data, out)
        return out

    def end(self) -> Sequence[Event]:
        out: list[Event] = []
        if self._reason is not None and not self._over:
            self._finish(out)
        return out

    def _event(self, event: schema.StreamEvent, name: str, data: bytes, out: list[Event]) -> None:
        match event.type or name:
            case "content_block_delta" if event.delta is not None:
                self._delta(event.index, event.delta, out)
            case "content_block_start" if event.content_block is not None:
                self._start(event.index, event.content_block, out)
            case "content_block_stop" if event.index == self._block:
                self._stop(out)
            case "message_start" if event.message is not None:
                self._started = True
                self._count(event.message)
                out.append(Started(event.message.id or "", event.message.model or "", self._usage))
            case "message_delta":
                self._message_delta(event, out)
            case "message_stop":
                self._finish(out)
            case "ping" if self._started:
                out.append(Ping())
            case "error":
                self._over = True
                out.append(read_failed_event(data))
            case _:
                if event.error is not None:
                    self._over = True
                    out.append(read_failed_event(data))

    def _count(self, counted: schema.MessageResponse | schema.StreamEvent) -> None:
        if counted.usage is not None:
            self._usage = counted.usage.usage(self._usage)

    def _message_delta(self, event: schema.StreamEvent, out: list[Event]) -> None:
        delta = event.delta
        if delta is not None:
            self._reason = delta.stop_reason or self._reason
            self._stop_sequence = delta.stop_sequence or self._stop_sequence
            if delta.stop_details is not None:
                self._details = delta.stop_details.explanation
        if event.usage is not None:
            self._count(event)
            if self._usage is not None:
                out.append(UsageReported(self._usage))

    def _delta(self, index: int, delta: schema.Delta, out: list[Event]) -> None:
        if delta.text:
            out.append(TextDelta(delta.text))
        elif delta.partial_json:
            if index == self._block:
                self._input = ""
                out.append(ToolCallDelta(self._calls - 1, delta.partial_json))
        elif delta.thinking:
            out.append(ThinkingDelta(delta.thinking))
        elif delta.signature:
            out.append(ThinkingSigned(delta.signature))

    def _start(self, index: int, block: schema.Block, out: list[Event]) -> None:
        self._stop(out)
        if block.type == "tool_use":
            if not block.name:
                self._over = True
                out.append(Failed("api_error", UNNAMED_TOOL_CALL))
                return
            self._block, self._input = index, schema.input_text(block)
            out.append(ToolCallStarted(self._calls, block.id or "", self._names.get(block.name, block.name)))
            self._calls += 1
        else:
            out += decode_block(block)

    def _stop(self, out: list[Event]) -> None:
        if self._input:
            out.append(ToolCallDelta(self._calls - 1, self._input))
        self._block, self._input = None, ""

    def _finish(self, out: list[Event]) -> None:
        self._stop(out)
        self._over = True
        out += finish_events(self._reason, self._stop_sequence, self._details, called_tools=self._calls > 0)


def decode_block(block: schema.Block) -> list[Event]:
    """Events for the content of a text or thinking block. Tools that ran at the server are not tool calls, so they are skipped."""
    match block.type:
        case "text" if block.text:
            return [TextDelta(block.text)]
        case "thinking":
            thinking: list[Event] = [ThinkingDelta(block.thinking)] if block.thinking else []
            return [*thinking, ThinkingSigned(block.signature)] if block.signature else thinking
        case "redacted_thinking" if block.data is not None:
            return [ThinkingRedacted(block.data)]
        case _:
            return []


def finish_events(word: str | None, stop_sequence: str | None, explanation: str | None, *, called_tools: bool) -> list[Event]:
    """The last events of a response with the stop reason `word`; a refusal's explanation comes before its end."""
    reason = resolve_reason(FROM_ANTHROPIC.get(word or ""), called_tools=called_tools)
    refusal: list[Event] = [RefusalDelta(explanation)] if explanation and reason is FinishReason.REFUSAL else []
    return [*refusal, Finished(reason, stop_sequence, word)]
