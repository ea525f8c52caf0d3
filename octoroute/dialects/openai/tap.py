"""Reads along while an OpenAI-format answer is passed on byte for byte: progress, usage, errors. Nothing is kept."""

from __future__ import annotations

import msgspec

from octoroute.dialects.base import Progress
from octoroute.dialects.sse import read_frames
from octoroute.errors import Broke
from octoroute.events import Failed, FinishReason
from octoroute.types import Usage


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class UsageObject(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    """DeepSeek's word for cached tokens."""


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
    usage: UsageObject | None = None
    error: msgspec.Raw | None = None
    data: msgspec.Raw | None = None
    """Embeddings stand here."""


class ErrorObject(msgspec.Struct):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None


_CHUNK = msgspec.json.Decoder(_Chunk)
_ERROR = msgspec.json.Decoder(ErrorObject | str)
_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.REFUSAL,
}


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
                self._note(_read(data))

    def whole(self, body: bytes) -> None:
        answer = _read(body)
        if answer.choices is None and answer.error is None and answer.data is None:
            raise Broke("the upstream's answer has no choices")
        self._note(answer)
        self.progress.finished = self.progress.failure is None

    def _note(self, chunk: _Chunk) -> None:
        progress = self.progress
        if chunk.error is not None and bytes(chunk.error) != b"null":
            self._failed(bytes(chunk.error))
            return
        progress.started = True
        if chunk.usage is not None:
            progress.usage = read_usage(chunk.usage)
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
                progress.reason = _REASONS.get(choice.finish_reason, FinishReason.STOP)

    def _failed(self, error: bytes) -> None:
        self.progress.started = True
        self.progress.failure = read_failure(error)


def _read(data: bytes) -> _Chunk:
    try:
        return _CHUNK.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Broke("the upstream's answer is not in OpenAI's format") from None


def read_usage(usage: UsageObject) -> Usage:
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        cached_tokens=(prompt and prompt.cached_tokens) or usage.prompt_cache_hit_tokens or 0,
        cache_write_tokens=(prompt and prompt.cache_write_tokens) or 0,
        reasoning_tokens=(completion and completion.reasoning_tokens) or 0,
    )


def read_failure(error: bytes) -> Failed:
    """From the value of `error`, whatever its shape: an object, a string, or an envelope once more."""
    try:
        outer = msgspec.json.decode(error, type=dict[str, msgspec.Raw])
        error = bytes(outer.get("error", error))
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        found = _ERROR.decode(error)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Failed(kind="api_error", message="the upstream reported an error")
    if isinstance(found, str):
        return Failed(kind="api_error", message=found)
    return Failed(
        kind=found.type or "api_error",
        message=found.message or "the upstream reported an error",
        code=None if found.code is None else str(found.code),
    )
