"""Token usage: conversion between each provider's counts and `Usage`, whose input tokens include the cached ones. Pure.

OpenAI's and Gemini's prompt counts include cached tokens; Anthropic's `input_tokens` excludes cache reads and cache writes.
Servers send null, absent, negative, and fractional counts; all of them are accepted.
"""

from __future__ import annotations

import msgspec

from octoroute.domain.outcome import Usage

CHARS_PER_TOKEN = 4
"""Average of English prose, for estimates where no count is reported."""

IMAGE_CHARS = 5160
"""What an image counts as in such estimates: Gemini's 1,290 tokens."""

Count = int | float | None


def count(value: Count) -> int:
    """A reported count as a whole number, at least 0."""
    if not value:
        return 0
    return value if type(value) is int and value > 0 else max(0, int(value))


def estimate_usage(input_tokens: int, output_chars: int) -> Usage:
    """Usage for a response whose upstream reported none. Output tokens are rounded up: not 0 if there is text."""
    return Usage(input_tokens=input_tokens, output_tokens=-(-output_chars // CHARS_PER_TOKEN), estimated=True)


class ResponseUsage:
    """Usage of one response while an encoder writes it: the upstream's counts, or an estimate until there are any."""

    __slots__ = ("chars", "images", "input_tokens", "reported")

    def __init__(self, input_tokens: int) -> None:
        self.input_tokens = input_tokens
        """An estimate."""
        self.chars = 0
        """Characters of text, thinking, and arguments so far."""
        self.images = 0
        """Images so far."""
        self.reported: Usage | None = None

    def add_image(self) -> int:
        """Count an image. Returns how many came before it."""
        self.chars += IMAGE_CHARS
        self.images += 1
        return self.images - 1

    def at_start(self) -> Usage:
        return self.reported or Usage(input_tokens=self.input_tokens)

    def at_end(self) -> Usage:
        return self.reported or estimate_usage(self.input_tokens, self.chars)


class _PromptDetails(msgspec.Struct):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cache_creation_input_tokens: Count = None
    """Alibaba's and LiteLLM's name for cache writes."""
    cache_creation_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None


class OpenAIUsage(msgspec.Struct):
    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: Count = None
    """DeepSeek's name for cached tokens."""
    cached_tokens: Count = None
    """Moonshot's."""
    cache_read_input_tokens: Count = None
    """LiteLLM's, beside the next."""
    cache_creation_input_tokens: Count = None
    total_tokens: Count = None

    @property
    def is_empty(self) -> bool:
        """Nothing was counted, which some servers say in every chunk: it is no report."""
        return not (self.prompt_tokens or self.completion_tokens)

    def usage(self) -> Usage:
        """XAI and Gemini's compatible API count reasoning in the total only: what it has more than the parts is output."""
        prompt = self.prompt_tokens_details
        completion = self.completion_tokens_details
        cached = (prompt.cached_tokens if prompt else None) or self.prompt_cache_hit_tokens or self.cached_tokens
        written = (prompt and _written(prompt)) or self.cache_creation_input_tokens
        input_tokens, output_tokens = count(self.prompt_tokens), count(self.completion_tokens)
        reasoning = count(completion.reasoning_tokens) if completion else 0
        hidden = count(self.total_tokens) - input_tokens - output_tokens if self.total_tokens else 0
        if hidden > 0 and output_tokens:
            output_tokens += hidden
            reasoning = reasoning or hidden
        cached = cached or self.cache_read_input_tokens
        return Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=count(cached) if cached else 0,
            cache_write_tokens=count(written) if written else 0,
            reasoning_tokens=reasoning,
            audio_input_tokens=count(prompt.audio_tokens) if prompt else 0,
            audio_output_tokens=count(completion.audio_tokens) if completion else 0,
            image_input_tokens=count(prompt.image_tokens) if prompt else 0,
            image_output_tokens=count(completion.image_tokens) if completion else 0,
        )


def _written(prompt: _PromptDetails) -> Count:
    return prompt.cache_write_tokens or prompt.cache_creation_input_tokens or prompt.cache_creation_tokens


def to_openai(usage: Usage) -> dict[str, object]:
    details: dict[str, int] = {"cached_tokens": usage.cached_tokens}
    if usage.cache_write_tokens:
        details["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


class _OutputDetails(msgspec.Struct):
    thinking_tokens: Count = None


class AnthropicUsage(msgspec.Struct):
    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    output_tokens_details: _OutputDetails | None = None

    def usage(self, earlier: Usage | None = None) -> Usage:
        """Convert to `Usage`. Counts of a stream are cumulative: a null count keeps the value of `earlier`."""
        before = earlier or Usage()
        read = before.cached_tokens if self.cache_read_input_tokens is None else count(self.cache_read_input_tokens)
        written = before.cache_write_tokens if self.cache_creation_input_tokens is None else count(self.cache_creation_input_tokens)
        fresh = (
            max(0, before.input_tokens - before.cached_tokens - before.cache_write_tokens)
            if self.input_tokens is None
            else count(self.input_tokens)
        )
        details = self.output_tokens_details
        return Usage(
            input_tokens=fresh + read + written,
            output_tokens=before.output_tokens if self.output_tokens is None else count(self.output_tokens),
            cached_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=before.reasoning_tokens if details is None else count(details.thinking_tokens),
        )


def to_anthropic(usage: Usage) -> dict[str, object]:
    counts: dict[str, object] = {
        "input_tokens": max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return counts


class _ModalityCount(msgspec.Struct, rename="camel"):
    modality: str | None = None
    token_count: Count = None


class GeminiUsage(msgspec.Struct, rename="camel"):
    prompt_token_count: Count = None
    tool_use_prompt_token_count: Count = None
    cached_content_token_count: Count = None
    candidates_token_count: Count = None
    thoughts_token_count: Count = None
    prompt_tokens_details: list[_ModalityCount] | None = None
    cache_tokens_details: list[_ModalityCount] | None = None
    candidates_tokens_details: list[_ModalityCount] | None = None

    def usage(self) -> Usage:
        thoughts = count(self.thoughts_token_count)
        prompt, cached, answer = self.prompt_tokens_details, self.cache_tokens_details, self.candidates_tokens_details
        return Usage(
            input_tokens=count(self.prompt_token_count) + count(self.tool_use_prompt_token_count),
            output_tokens=count(self.candidates_token_count) + thoughts,
            cached_tokens=count(self.cached_content_token_count),
            reasoning_tokens=thoughts,
            audio_input_tokens=max(0, _of(prompt, "AUDIO") - _of(cached, "AUDIO")) if prompt else 0,
            audio_output_tokens=_of(answer, "AUDIO"),
            image_input_tokens=max(0, _of(prompt, "IMAGE") - _of(cached, "IMAGE")) if prompt else 0,
            image_output_tokens=_of(answer, "IMAGE"),
        )


def _of(counts: list[_ModalityCount] | None, modality: str) -> int:
    return sum(count(entry.token_count) for entry in counts if entry.modality == modality) if counts else 0


def to_gemini(usage: Usage) -> dict[str, object]:
    counts: dict[str, object] = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": max(0, usage.output_tokens - usage.reasoning_tokens),
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    if usage.cached_tokens:
        counts["cachedContentTokenCount"] = usage.cached_tokens
    if usage.reasoning_tokens:
        counts["thoughtsTokenCount"] = usage.reasoning_tokens
    return counts


class _ResponsesInputDetails(msgspec.Struct):
    cached_tokens: Count = None
    cache_write_tokens: Count = None


class ResponsesUsage(msgspec.Struct):
    input_tokens: Count = None
    output_tokens: Count = None
    input_tokens_details: _ResponsesInputDetails | None = None
    output_tokens_details: _CompletionDetails | None = None

    def usage(self) -> Usage:
        details, output = self.input_tokens_details, self.output_tokens_details
        return Usage(
            input_tokens=count(self.input_tokens),
            output_tokens=count(self.output_tokens),
            cached_tokens=count(details.cached_tokens) if details else 0,
            cache_write_tokens=count(details.cache_write_tokens) if details else 0,
            reasoning_tokens=count(output.reasoning_tokens) if output else 0,
        )


def to_responses(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
