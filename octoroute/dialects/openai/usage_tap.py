"""Reads progress, usage, and errors of an OpenAI response whose bytes are passed through. Stores no content."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from octoroute.dialects.response.progress import Progress
from octoroute.dialects.response.sse import read_frames
from octoroute.dialects.response.stop_reasons import FROM_OPENAI
from octoroute.dialects.response.upstream_error import read_failed_event
from octoroute.dialects.response.usage import OpenAIUsage
from octoroute.errors import BadUpstreamResponse

_ABSENT = msgspec.Raw(b"null")


class _Message(msgspec.Struct):
    content: Any = None
    reasoning_content: Any = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: str | None = None
    text: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: OpenAIUsage | None = None
    error: msgspec.Raw = _ABSENT  # msgspec has no unions with Raw
    data: msgspec.Raw = _ABSENT
    """Embeddings."""


class _LenientChunk(msgspec.Struct):
    """A chunk with fields of any type."""

    choices: Any = None
    error: msgspec.Raw = msgspec.Raw(b"null")


BAD_FORMAT = "the upstream's response is not in OpenAI's format"

_CHUNK = msgspec.json.Decoder(_Chunk)
_LENIENT_CHUNK = msgspec.json.Decoder(_LenientChunk)


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
        if choices and len(choices) == 1 and chunk.usage is None and chunk.error is _ABSENT:
            choice = choices[0]
            delta = choice.delta
            if delta is not None and choice.finish_reason is None and choice.index in self._seen and type(delta.content) is str:
                # Fast path: the frame holds only further text of the only choice.
                self.progress.output_chars += len(delta.content)
                return
        self._note(chunk, data.rstrip(b"\n"))

    def _feed(self, frames: bytes) -> None:
        for name, data in read_frames(frames):
            if data == b"[DONE]":
                self.progress.started = self.progress.finished = self.progress.over = True
            elif name == "error":
                self._failed(data)
            else:
                self._note(_read_chunk(data), data)

    def feed_body(self, body: bytes) -> None:
        response = _read_chunk(body)
        if response.choices is None and _is_null(response.error) and _is_null(response.data):
            raise BadUpstreamResponse("the upstream's response has no choices")
        self._note(response, body)
        self.progress.finished = self.progress.failure is None

    def _note(self, chunk: _Chunk, data: bytes) -> None:
        progress = self.progress
        if chunk.error is not _ABSENT and not _is_null(chunk.error):
            self._failed(data)
            return
        progress.started = True
        if chunk.usage is not None:
            progress.usage = chunk.usage.usage()
        for choice in chunk.choices or ():
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
                progress.reason = FROM_OPENAI.get(choice.finish_reason)

    def _failed(self, data: bytes) -> None:
        self.progress.started = True
        self.progress.failure = read_failed_event(data)


def _is_null(value: msgspec.Raw) -> bool:
    return bytes(value) == b"null"


def _read_chunk(data: bytes) -> _Chunk:
    try:
        return _CHUNK.decode(data)
    except msgspec.ValidationError:
        return _read_leniently(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise BadUpstreamResponse(BAD_FORMAT) from None


def _read_leniently(data: bytes) -> _Chunk:
    """Read what is usable of an object with fields of unexpected types, which is passed through all the same."""
    try:
        chunk = _LENIENT_CHUNK.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise BadUpstreamResponse(BAD_FORMAT) from None
    found = chunk.choices
    choices = cast("list[Any]", found) if isinstance(found, list) else []
    return _Chunk(choices=[_Choice(finish_reason=_finish_reason(choice)) for choice in choices], error=chunk.error)


def _finish_reason(choice: Any) -> str | None:
    return "stop" if isinstance(choice, dict) and cast("dict[str, Any]", choice).get("finish_reason") else None
