"""Reads along while an OpenAI-format answer is passed on byte for byte: progress, usage, errors. Nothing is kept."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from octoroute.dialects.base import Progress
from octoroute.dialects.response.errors import read_failed_event
from octoroute.dialects.response.sse import read_frames
from octoroute.dialects.response.stop_reasons import FROM_OPENAI
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
    error: msgspec.Raw = _ABSENT  # msgspec takes no union with Raw
    data: msgspec.Raw = _ABSENT
    """Embeddings stand here."""


class _LenientChunk(msgspec.Struct):
    """The same of any shape."""

    choices: Any = None
    error: msgspec.Raw = msgspec.Raw(b"null")


BAD_FORMAT = "the upstream's answer is not in OpenAI's format"

_CHUNK = msgspec.json.Decoder(_Chunk)
_LENIENT_CHUNK = msgspec.json.Decoder(_LenientChunk)


class OpenAIUsageTap:
    __slots__ = ("_done", "_seen", "progress")

    def __init__(self) -> None:
        self.progress = Progress()
        self._seen: set[int] = set()
        """Choices that have begun; the stream may end when each of them has its finish reason."""
        self._done: set[int] = set()

    def feed(self, frames: bytes) -> None:
        if frames.find(b"\r") >= 0:
            self._feed(frames)
        elif frames.find(b"\n") == len(frames) - 2 and frames.endswith(b"\n\n"):  # one event, as nearly always
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
        except (ValueError, RecursionError):  # not JSON, not UTF-8, not foreseen: read with care
            self._feed(frame)
            return
        choices = chunk.choices
        if choices and len(choices) == 1 and chunk.usage is None and chunk.error is _ABSENT:
            choice = choices[0]
            delta = choice.delta
            if delta is not None and choice.finish_reason is None and choice.index in self._seen and type(delta.content) is str:
                # The next words of the only choice and nothing else, as in most frames: counted without further ado.
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
        answer = _read_chunk(body)
        if answer.choices is None and _is_null(answer.error) and _is_null(answer.data):
            raise BadUpstreamResponse("the upstream's answer has no choices")
        self._note(answer, body)
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
    """An object whose fields have shapes nobody foresaw is passed on all the same, and read as far as that goes."""
    try:
        loose = _LENIENT_CHUNK.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise BadUpstreamResponse(BAD_FORMAT) from None
    found = loose.choices
    choices = cast("list[Any]", found) if isinstance(found, list) else []
    return _Chunk(choices=[_Choice(finish_reason=_finish_reason(choice)) for choice in choices], error=loose.error)


def _finish_reason(choice: Any) -> str | None:
    return "stop" if isinstance(choice, dict) and cast("dict[str, Any]", choice).get("finish_reason") else None
