"""Reads progress, usage, and errors of an OpenAI response whose bytes are passed through. Stores no content."""

from __future__ import annotations

from typing import Any

import msgspec

from octoroute.dialects.response.error_shapes import is_failed_base
from octoroute.dialects.response.errors import NO_RESPONSE
from octoroute.dialects.response.lenient_json import read_leniently
from octoroute.dialects.response.progress import Progress
from octoroute.dialects.response.sse import read_frames
from octoroute.dialects.response.stop_reasons import openai_reason
from octoroute.dialects.response.upstream_error import (
    OUT_OF_BAND,
    error_from_event,
    find_failure,
    out_of_band_failure,
    read_failed_event,
)
from octoroute.dialects.response.usage import OpenAIUsage
from octoroute.domain.events import Failed
from octoroute.errors import BadUpstreamResponse

_ABSENT = msgspec.Raw(b"null")
_FALSY = (b"null", b"false", b"0", b'""', b"[]")


class _Message(msgspec.Struct):
    content: Any = None
    reasoning_content: Any = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: str | None = None
    text: str | None = None
    error: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: OpenAIUsage | None = None
    error: msgspec.Raw = _ABSENT  # msgspec has no unions with Raw
    data: msgspec.Raw = _ABSENT
    """Embeddings."""
    base_resp: Any = None

    def has_failed(self) -> bool:
        """As `schema.has_failed`, but for errors of single choices."""
        if self.error is not _ABSENT:
            error = bytes(self.error).strip()
            if error not in _FALSY and (error != b"{}" or not self.choices):
                return True
        return self.base_resp is not None and is_failed_base(self.base_resp)


BAD_FORMAT = "the upstream's response is not in OpenAI's format"

_CHUNK = msgspec.json.Decoder(_Chunk)


class OpenAIUsageTap:
    __slots__ = ("_done", "_seen", "progress")

    def __init__(self) -> None:
        self.progress = Progress()
        self._seen: set[int] = set()
        """Choices that have begun; the response is finished when each of them has a finish reason."""
        self._done: set[int] = set()

    def feed(self, frames: bytes) -> None:
        if frames.find(b"\r") >= 0:
            self._feed(frames)
        elif frames.find(b"\n") == len(frames) - 2 and frames.endswith(b"\n\n"):  # one event: fast path for nearly every read
            self._event(frames)
        else:
            for frame in frames.split(b"\n\n"):
                if frame:
                    self._event(frame)

    def _event(self, frame: bytes) -> None:
        if not frame.startswith(b"data: {"):
            self._feed(frame)
            return
        data = frame[6:]
        try:
            chunk = _CHUNK.decode(data)
        except (ValueError, RecursionError):  # invalid or unusual: read leniently
            self._feed(frame)
            return
        choices = chunk.choices
        if choices and len(choices) == 1 and chunk.usage is None and chunk.error is _ABSENT and chunk.base_resp is None:
            choice = choices[0]
            delta = choice.delta
            if delta is not None and choice.finish_reason is None and choice.index in self._seen and type(delta.content) is str:
                # Fast path: the frame holds only further text of the only choice.
                self.progress.output_chars += len(delta.content)
                return
        self._note(chunk, data.rstrip(b"\n"))

    def _feed(self, frames: bytes) -> None:
        for name, data in read_frames(frames):
            if self.progress.over or self.progress.failure is not None:
                return
            if name in OUT_OF_BAND:
                self.progress.fail(out_of_band_failure(name, data))
            elif data.startswith(b"[DONE]"):
                if not self.progress.started:
                    raise BadUpstreamResponse(NO_RESPONSE)
                self.progress.finished = self.progress.over = True
            else:
                self._note(_read_chunk(data), data)

    def feed_body(self, body: bytes) -> None:
        response = _read_chunk(body)
        self._note(response, body)
        if response.choices is None and bytes(response.data) == b"null" and self.progress.failure is None:
            raise BadUpstreamResponse("the upstream's response has no choices")
        self.progress.started = True
        self.progress.finished = self.progress.failure is None

    def _note(self, chunk: _Chunk, data: bytes) -> None:
        progress = self.progress
        if progress.over or progress.failure is not None:
            return
        if (chunk.error is not _ABSENT or chunk.base_resp is not None) and chunk.has_failed():
            self.progress.fail(read_failed_event(data))
            return
        if chunk.usage is not None:
            if progress.usage is None or not chunk.usage.is_empty:
                progress.usage = chunk.usage.usage()
        elif not chunk.choices and chunk.data is _ABSENT:
            self.progress.fail(find_failure(data))
        for choice in chunk.choices or ():
            if choice.error:
                self.progress.fail(read_failed_event(data))
                return
            self._note_choice(choice)

    def _note_choice(self, choice: _Choice) -> None:
        progress = self.progress
        progress.started = True
        message = choice.delta or choice.message
        if message is not None:
            content = message.content
            if isinstance(content, str):
                progress.output_chars += len(content)
            if isinstance(message.reasoning_content, str):
                progress.output_chars += len(message.reasoning_content)
        elif choice.text:
            progress.output_chars += len(choice.text)
        self._seen.add(choice.index)
        if choice.finish_reason:
            self._done.add(choice.index)
            progress.finished = self._done >= self._seen
            progress.reason = openai_reason(choice.finish_reason)
            if progress.reason is None:
                self.progress.fail(
                    Failed("api_error", f"the upstream ended its response with finish_reason '{choice.finish_reason}'")
                )


def _read_chunk(data: bytes) -> _Chunk:
    """What is usable of an object; fields of unexpected types are passed through all the same."""
    try:
        try:
            return _CHUNK.decode(data)
        except msgspec.ValidationError:
            return read_leniently(_CHUNK, data)
    except (ValueError, RecursionError):
        failed = find_failure(data)
        raise BadUpstreamResponse(BAD_FORMAT) if failed is None else error_from_event(failed) from None
