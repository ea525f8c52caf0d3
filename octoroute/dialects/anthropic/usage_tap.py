"""Reads progress, usage, and errors of an Anthropic response whose bytes are passed through. Stores no content."""

from __future__ import annotations

import msgspec

from octoroute.dialects.anthropic import schema
from octoroute.dialects.request.json_input import read_response
from octoroute.dialects.response.progress import Progress
from octoroute.dialects.response.sse import read_frames
from octoroute.dialects.response.stop_reasons import FROM_ANTHROPIC
from octoroute.dialects.response.upstream_error import read_failed_event
from octoroute.dialects.response.usage import AnthropicUsage
from octoroute.domain.events import FinishReason
from octoroute.errors import BadUpstreamResponse

_RESPONSE = msgspec.json.Decoder(schema.MessageResponse)


class _Delta(msgspec.Struct):
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Message(msgspec.Struct):
    usage: AnthropicUsage | None = None


class _Event(msgspec.Struct):
    type: str | None = None
    delta: _Delta | None = None
    message: _Message | None = None
    usage: AnthropicUsage | None = None


_EVENT = msgspec.json.Decoder(_Event)


class AnthropicUsageTap:
    __slots__ = ("progress",)

    def __init__(self) -> None:
        self.progress = Progress()

    def feed(self, frames: bytes) -> None:
        for name, data in read_frames(frames):
            if data.strip():
                self._note(read_response(_EVENT, data, "stream"), name, data)

    def feed_body(self, body: bytes) -> None:
        response = read_response(_RESPONSE, body, "response")
        progress = self.progress
        progress.started = True
        if response.error is not None:
            progress.failure = read_failed_event(body)
            return
        if response.content is None:
            raise BadUpstreamResponse("the upstream's response has no content")
        progress.finished = True
        progress.reason = FROM_ANTHROPIC.get(response.stop_reason or "", FinishReason.STOP)
        progress.usage = response.usage.usage() if response.usage is not None else None
        for block in response.content:
            progress.output_chars += len(block.text or block.thinking or "") + len(memoryview(block.input))

    def _note(self, event: _Event, name: str, data: bytes) -> None:
        progress = self.progress
        word = event.type or name
        if word == "error":
            progress.started = True
            progress.failure = read_failed_event(data)
            return
        if word == "ping":
            return  # not the start of the response
        progress.started = True
        if event.delta is not None:
            delta = event.delta
            progress.output_chars += len(delta.text or delta.thinking or delta.partial_json or "")
            if delta.stop_reason is not None:
                progress.reason = FROM_ANTHROPIC.get(delta.stop_reason, FinishReason.STOP)
        usage = event.usage or (event.message.usage if event.message is not None else None)
        if usage is not None:
            progress.usage = usage.usage(progress.usage)
        if word == "message_stop":
            progress.finished = progress.over = True
