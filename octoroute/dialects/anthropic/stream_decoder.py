"""Decodes the stream of an Anthropic server into events; unknown events, deltas, and blocks are skipped. Pure; one per response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from octoroute.dialects.anthropic import schema
from octoroute.dialects.anthropic.citations import decode_citation
from octoroute.dialects.request.ids import UsedIds
from octoroute.dialects.response.blocks import UNNAMED_TOOL_CALL
from octoroute.dialects.response.citations import BlockCitations
from octoroute.dialects.response.errors import NO_RESPONSE
from octoroute.dialects.response.sse import read_frames
from octoroute.dialects.response.stop_reasons import FROM_ANTHROPIC, resolve_reason
from octoroute.dialects.response.tool_arguments import BAD_ARGUMENTS, ToolArguments
from octoroute.dialects.response.upstream_error import OUT_OF_BAND, find_failure, out_of_band_failure, read_event, read_failed_event
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
from octoroute.errors import BadUpstreamResponse

_EVENT = msgspec.json.Decoder(schema.StreamEvent)
_CUT = frozenset({FinishReason.LENGTH, FinishReason.REFUSAL, FinishReason.PAUSE})
"""Stop reasons after which the last arguments may be incomplete."""


class _ToolBlock:
    __slots__ = ("arguments", "index", "input")

    def __init__(self, index: int, input: str) -> None:
        self.index = index
        self.input = input
        """The input in the start of the block, used if no fragments follow."""
        self.arguments = ToolArguments()


class AnthropicDecoder:
    """`names` maps the upstream's tool names to the client's, where they differ."""

    __slots__ = (
        "_block", "_broken", "_calls", "_cites", "_details", "_ids", "_names", "_over",
        "_reason", "_started", "_stop_sequence", "_usage",
    )  # fmt: skip

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = names or {}
        self._block: _ToolBlock | None = None
        """The open tool block."""
        self._broken = False
        """The arguments of a call are no JSON object, which only a response that was cut short excuses."""
        self._calls = 0
        self._cites = BlockCitations()
        self._ids = UsedIds()
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
            if name in OUT_OF_BAND:
                self._report(out_of_band_failure(name, data), out)
            elif data != b"[DONE]":
                self._event(read_event(_EVENT, data), name, data, out)
        return out

    def end(self) -> Sequence[Event]:
        out: list[Event] = []
        if self._reason is not None and not self._over:
            self._finish(out)
        return out

    def _event(self, event: schema.StreamEvent, name: str, data: bytes, out: list[Event]) -> None:
        if event.error or event.type == "error":
            self._report(read_failed_event(data), out)
            return
        match event.type or name:
            case "content_block_delta" if event.delta is not None:
                self._delta(event.index, event.delta, out)
            case "content_block_start" if event.content_block is not None:
                self._started = True
                self._start(event.index, event.content_block, out)
            case "content_block_stop":
                out += self._cites.close()
                if self._block is not None and event.index == self._block.index:
                    self._stop(out)
            case "message_start" if event.message is not None:
                self._started = True
                self._count(event.message)
                out.append(Started(event.message.id or "", event.message.model or "", self._usage))
            case "message_delta":
                self._message_delta(event, out)
            case "message_stop":
                if not self._started:
                    raise BadUpstreamResponse(NO_RESPONSE)
                self._finish(out)
            case "ping":
                if self._started:
                    out.append(Ping())
            case _:
                self._report(find_failure(data), out)

    def _report(self, failed: Failed | None, out: list[Event]) -> None:
        if failed is not None:
            self._over = True
            out.append(failed)

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
            self._cites.chars += len(delta.text)
            out.append(TextDelta(delta.text))
        elif delta.partial_json:
            block = self._block
            if block is not None and index == block.index:
                block.input = ""
                self._add_arguments(block.arguments.feed(delta.partial_json), out)
        elif delta.thinking:
            out.append(ThinkingDelta(delta.thinking))
        elif delta.signature:
            out.append(ThinkingSigned(delta.signature))
        elif delta.citation is not None:
            self._cites.add(decode_citation(delta.citation))

    def _start(self, index: int, block: schema.Block, out: list[Event]) -> None:
        self._stop(out)
        out += self._cites.close()
        if block.type == "tool_use":
            if not block.name:
                self._report(Failed("api_error", UNNAMED_TOOL_CALL), out)
                return
            self._block = _ToolBlock(index, schema.input_text(block))
            id = self._ids.first_use(block.id)
            out.append(ToolCallStarted(self._calls, id, self._names.get(block.name, block.name)))
            self._calls += 1
        else:
            out += decode_block(block, self._cites)

    def _add_arguments(self, text: str, out: list[Event]) -> None:
        if text:
            out.append(ToolCallDelta(self._calls - 1, text))

    def _stop(self, out: list[Event]) -> None:
        """Close the open tool block."""
        block, self._block = self._block, None
        if block is None:
            return
        if block.input:
            self._add_arguments(block.arguments.feed(block.input), out)
        rest = block.arguments.finish()
        if rest is None:
            self._broken = True
            rest = block.arguments.finish(cut=True) or ""
        self._add_arguments(rest, out)

    def _finish(self, out: list[Event]) -> None:
        self._stop(out)
        out += self._cites.close()
        self._over = True
        if self._broken and FROM_ANTHROPIC.get(self._reason or "") not in _CUT:
            out.append(Failed("api_error", BAD_ARGUMENTS))
        else:
            out += finish_events(self._reason, self._stop_sequence, self._details, called_tools=self._calls > 0)


def decode_block(block: schema.Block, cites: BlockCitations) -> list[Event]:
    """Events for the content of a text or thinking block; its citations go to `cites`.

    Tools that ran at the server are not tool calls, so they are skipped.
    """
    match block.type:
        case "text":
            text = block.text or ""
            cites.chars += len(text)
            found: Any = block.citations
            for citation in cast("list[Any]", found) if isinstance(found, list) else ():
                cites.add(decode_citation(citation))
            return [TextDelta(text)] if text else []
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
