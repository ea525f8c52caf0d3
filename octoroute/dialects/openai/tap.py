"""Reads along while an OpenAI-format answer is passed on byte for byte: progress, usage, errors. Nothing is kept."""

from __future__ import annotations

import msgspec

from octoroute.dialects.base import Progress
from octoroute.dialects.errors import failed_event
from octoroute.dialects.sse import read_frames
from octoroute.dialects.stop_reasons import FROM_OPENAI
from octoroute.dialects.usage import OpenAIUsage
from octoroute.errors import Broke


class _Message(msgspec.Struct):
    content: str | list[msgspec.Raw] | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: str | None = None
    text: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: OpenAIUsage | None = None
    error: msgspec.Raw | None = None
    data: msgspec.Raw | None = None
    """Embeddings stand here."""


_CHUNK = msgspec.json.Decoder(_Chunk)


class OpenAITap:
    __slots__ = ("progress",)

    def __init__(self) -> None:
        self.progress = Progress()

    def feed(self, frames: bytes) -> None:
        for name, data in read_frames(frames):
            if data == b"[DONE]":
                self.progress.started = self.progress.finished = True
            elif name == "error":
                self._failed(data)
            else:
                self._note(_read(data), data)

    def whole(self, body: bytes) -> None:
        answer = _read(body)
        if answer.choices is None and answer.error is None and answer.data is None:
            raise Broke("the upstream's answer has no choices")
        self._note(answer, body)
        self.progress.finished = self.progress.failure is None

    def _note(self, chunk: _Chunk, data: bytes) -> None:
        progress = self.progress
        if chunk.error is not None and bytes(chunk.error) != b"null":
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
                if message.reasoning_content:
                    progress.output_chars += len(message.reasoning_content)
            elif choice.text:
                progress.output_chars += len(choice.text)
            if choice.finish_reason:
                progress.finished = True
                progress.reason = FROM_OPENAI.get(choice.finish_reason)

    def _failed(self, data: bytes) -> None:
        self.progress.started = True
        self.progress.failure = failed_event(data)


def _read(data: bytes) -> _Chunk:
    try:
        return _CHUNK.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Broke("the upstream's answer is not in OpenAI's format") from None
