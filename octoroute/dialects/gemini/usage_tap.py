"""Reads progress, usage, and errors of a Gemini response whose bytes are passed through. Stores no content.

The format has no last event: a response is complete when the transfer ends after a finish reason.
"""

from __future__ import annotations

from typing import Any

import msgspec

from octoroute.dialects.request.json_input import read_response
from octoroute.dialects.response.progress import Progress
from octoroute.dialects.response.sse import read_frames
from octoroute.dialects.response.stop_reasons import from_gemini, resolve_reason
from octoroute.dialects.response.upstream_error import OUT_OF_BAND, find_failure, out_of_band_failure, read_event, read_failed_event
from octoroute.dialects.response.usage import GeminiUsage
from octoroute.domain.events import FinishReason
from octoroute.errors import BadUpstreamResponse


class _PassedPart(msgspec.Struct, rename="camel"):
    text: str | None = None
    function_call: msgspec.Raw = msgspec.Raw(b"")


class _PassedContent(msgspec.Struct):
    parts: list[_PassedPart] | None = None


class _PassedCandidate(msgspec.Struct, rename="camel"):
    content: _PassedContent | None = None
    finish_reason: str | None = None


class _PassedFeedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _PassedResponse(msgspec.Struct, rename="camel"):
    candidates: list[_PassedCandidate] | None = None
    prompt_feedback: _PassedFeedback | None = None
    usage_metadata: GeminiUsage | None = None
    error: Any = None


_RESPONSE = msgspec.json.Decoder(_PassedResponse)


class GeminiUsageTap:
    __slots__ = ("_called", "progress")

    def __init__(self) -> None:
        self.progress = Progress()
        self._called = False

    def feed(self, frames: bytes) -> None:
        for name, data in read_frames(frames):
            if self.progress.failure is not None:
                return
            if name in OUT_OF_BAND:
                self.progress.fail(out_of_band_failure(name, data))
            elif data != b"[DONE]":
                self._note(read_event(_RESPONSE, data), data)

    def feed_body(self, body: bytes) -> None:
        self._note(read_response(_RESPONSE, body, "response"), body)
        self.progress.started = True
        if not self.progress.finished and self.progress.failure is None:
            raise BadUpstreamResponse("the upstream's response has no finished candidate")

    def _note(self, response: _PassedResponse, data: bytes) -> None:
        progress = self.progress
        if response.error:
            self.progress.fail(read_failed_event(data))
            return
        if not (response.candidates or response.prompt_feedback or response.usage_metadata):
            self.progress.fail(find_failure(data))
            return
        for candidate in response.candidates or ():
            progress.started = True
            for part in (candidate.content.parts if candidate.content else None) or ():
                called = len(memoryview(part.function_call))
                progress.output_chars += len(part.text or "") + called
                self._called = self._called or called > 0
            if candidate.finish_reason:
                progress.finished = True
                progress.reason = resolve_reason(from_gemini(candidate.finish_reason), called_tools=self._called)
        if response.usage_metadata is not None:
            progress.usage = response.usage_metadata.usage()
        if response.prompt_feedback is not None:
            progress.started = True
            if response.prompt_feedback.block_reason and not response.candidates:
                progress.finished = True
                progress.reason = FinishReason.REFUSAL
