"""Reads progress, usage, and errors of a Responses response whose bytes are passed through. Stores no content."""

from __future__ import annotations

from typing import Any

import msgspec

from octoroute.dialects.request.json_input import json_text, read_response
from octoroute.dialects.response.progress import Progress
from octoroute.dialects.response.sse import read_frames
from octoroute.dialects.response.upstream_error import OUT_OF_BAND, find_failure, out_of_band_failure, read_event, read_failed_event
from octoroute.dialects.responses.failure import read_failure
from octoroute.dialects.responses.output_item import ResponseObject, finish_events, read_answer
from octoroute.domain.events import Finished, UsageReported

_PREPARED = frozenset({"response.created", "response.in_progress", "response.queued"})
"""Events that precede the model's first one: the response may still fail, so they do not commit to the endpoint."""
_CALL_DELTAS = frozenset({"response.function_call_arguments.delta", "response.custom_tool_call_input.delta"})
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


class _EventHead(msgspec.Struct):
    type: str = ""
    delta: Any = None


class _End(msgspec.Struct):
    response: ResponseObject


_HEAD = msgspec.json.Decoder(_EventHead)
_END = msgspec.json.Decoder(_End)


class ResponsesUsageTap:
    __slots__ = ("_called_tools", "progress")

    def __init__(self) -> None:
        self.progress = Progress()
        self._called_tools = False

    def feed(self, frames: bytes) -> None:
        for name, data in read_frames(frames):
            if self.progress.over or self.progress.failure is not None:
                return
            if name in OUT_OF_BAND:
                self.progress.fail(out_of_band_failure(name, data))
            elif data.strip() and data != b"[DONE]":
                self._event(read_event(_HEAD, data), name, data)

    def feed_body(self, body: bytes) -> None:
        answer = read_answer(body)
        progress = self.progress
        progress.started = True
        for item in answer.output or ():
            self._called_tools = self._called_tools or item.type.endswith("_call")
            progress.output_chars += sum(len(text) for _, text in item.texts()) + len(json_text(item.arguments))
        self._finish(answer)

    def _event(self, head: _EventHead, name: str, data: bytes) -> None:
        progress = self.progress
        kind = head.type or name
        if kind in _PREPARED:
            return
        if kind == "error" or not kind.startswith("response."):
            self.progress.fail(read_failed_event(data) if kind == "error" else find_failure(data))
            return
        progress.started = True
        if isinstance(head.delta, str):
            progress.output_chars += len(head.delta)
            self._called_tools = self._called_tools or kind in _CALL_DELTAS
        elif kind in _ENDS:
            answer = read_response(_END, data, "stream").response
            if kind == "response.failed" or answer.error is not None:
                self.progress.fail(read_failure(answer.error or {}))
            else:
                self._finish(answer)

    def _finish(self, answer: ResponseObject) -> None:
        progress = self.progress
        progress.finished = progress.over = True
        for event in finish_events(answer, called_tools=self._called_tools):
            match event:
                case UsageReported(usage=usage):
                    progress.usage = usage
                case Finished(reason=reason):
                    progress.reason = reason
                case _:
                    pass
