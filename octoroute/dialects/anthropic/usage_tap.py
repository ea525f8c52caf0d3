"""Reads progress, usage, and errors of an Anthropic response whose bytes are passed through. Stores no content."""

from __future__ import annotations

from typing import Any

import msgspec

from octoroute.dialects.anthropic import schema
from octoroute.dialects.request.json_input import read_response
from octoroute.dialects.response.errors import NO_RESPONSE
from octoroute.dialects.response.progress import Progress
from octoroute.dialects.response.sse import read_frames
from octoroute.dialects.response.stop_reasons import FROM_ANTHROPIC
from octoroute.dialects.response.upstream_error import OUT_OF_BAND, find_failure, out_of_band_failure, read_event, read_failed_event
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
    error: Any = None


_EVENT = msgspec.json.Decoder(_Event)


_PARTS = frozenset({"message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"})
"""Events that are part of a response, and begin it."""


class AnthropicUsageTap:
    __slots__ = ("progress",)

    def __init__(self) -> None:
        self.progress = Progress()

    def feed(self, frames: bytes) -> None:
        for name, data in read_frames(frames):
            if self.progress.over or self.progress.failure is not None:
                return
            if name in OUT_OF_BAND:
                self.progress.fail(out_of_band_failure(name, data))
            elif data != b"[DONE]":
                self._note(read_event(_EVENT, data), name, data)

    def feed_body(self, body: bytes) -> None:
        response = read_response(_RESPONSE, body, "response")
        progress = self.progress
        progress.started = True
        if response.error or response.type == "error":
            progress.failure = read_failed_event(body)
            return
        if response.content is None:
            progress.failure = find_failure(body)
            if progress.failure is None:
                raise BadUpstreamResponse("the upstream's response has no content")
            return
        progress.finished = True
        progress.reason = FROM_ANTHROPIC.get(response.stop_reason or "", FinishReason.STOP)
        progress.usage = response.usage.usage() if response.usage is not None else None
        for block in response.content:
            progress.output_chars += len(block.text or block.thinking or "") + len(memoryview(block.input))

    def _note(self, event: _Event, name: str, data: bytes) -> None:
        progress = self.progress
        word = event.type or name
        if event.error or word == "error":
            self.progress.fail(read_failed_event(data))
            return
        if word in _PARTS:
            progress.started = True
        elif word == "message_stop":
            if not progress.started:
                raise BadUpstreamResponse(NO_RESPONSE)
            progress.finished = progress.over = True
        else:
            if word != "ping":
                self.progress.fail(find_failure(data))
            return
        if event.delta is not None:
            delta = event.delta
            progress.output_chars += len(delta.text or delta.thinking or delta.partial_json or "")
            if delta.stop_reason is not None:
                progress.reason = FROM_ANTHROPIC.get(delta.stop_reason, FinishReason.STOP)
        usage = event.usage or (event.message.usage if event.message is not None else None)
        if usage is not None:
            progress.usage = usage.usage(progress.usage)
