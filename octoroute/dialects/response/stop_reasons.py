"""Stop reasons: one table per dialect and direction between its words and `FinishReason`. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from octoroute.domain.events import FinishReason

FROM_OPENAI: Mapping[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "max_output_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "tool_call": FinishReason.TOOL_CALLS,
    "tool_use": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.REFUSAL,
    "sensitive": FinishReason.REFUSAL,
    "safety": FinishReason.REFUSAL,
    "refusal": FinishReason.REFUSAL,
}
"""The vendor's words, and those of compatible servers (Mistral, GLM, Ollama); any other word that is no failure is a stop."""
OPENAI_FAILURES = frozenset(
    {"error", "failed", "abort", "aborted", "cancelled", "canceled", "timeout", "network_error", "insufficient_system_resource"}
)
"""Finish reasons that mean the response failed (OpenRouter, vLLM, SGLang, GLM, DeepSeek)."""
TO_OPENAI: Mapping[FinishReason, str] = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.REFUSAL: "content_filter",
    FinishReason.PAUSE: "stop",
}

FROM_ANTHROPIC: Mapping[str, FinishReason] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.REFUSAL,
    "pause_turn": FinishReason.PAUSE,
}
FROM_BEDROCK: Mapping[str, FinishReason] = {
    **FROM_ANTHROPIC,
    "guardrail_intervened": FinishReason.REFUSAL,
    "content_filtered": FinishReason.REFUSAL,
}
BEDROCK_FAILURES = frozenset({"malformed_model_output", "malformed_tool_use"})
"""Stop reasons that mean the response failed; a retry may succeed."""
TO_ANTHROPIC: Mapping[FinishReason, str] = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.REFUSAL: "refusal",
    FinishReason.PAUSE: "pause_turn",
}

FROM_GEMINI: Mapping[str, FinishReason] = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "SAFETY": FinishReason.REFUSAL,
    "RECITATION": FinishReason.REFUSAL,
    "BLOCKLIST": FinishReason.REFUSAL,
    "PROHIBITED_CONTENT": FinishReason.REFUSAL,
    "SPII": FinishReason.REFUSAL,
    "LANGUAGE": FinishReason.REFUSAL,
    "TOO_MANY_TOOL_CALLS": FinishReason.STOP,
    "OTHER": FinishReason.STOP,
}
TO_GEMINI: Mapping[FinishReason, str] = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.REFUSAL: "SAFETY",
    FinishReason.PAUSE: "STOP",
}
GEMINI_FAILURES = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"})
"""Finish reasons that mean the model produced an invalid tool call; a retry may succeed."""


def resolve_reason(reason: FinishReason | None, *, called_tools: bool) -> FinishReason:
    """The stop reason for the client: `tool_calls` overrides `stop`; without a reason the content decides."""
    if reason is None or reason is FinishReason.STOP or reason is FinishReason.TOOL_CALLS:
        return FinishReason.TOOL_CALLS if called_tools else FinishReason.STOP
    return reason


def openai_reason(word: str | None) -> FinishReason | None:
    """What a finish reason of an OpenAI-compatible server means; None: the response failed."""
    if not word:
        return FinishReason.STOP
    reason = FROM_OPENAI.get(word)
    if reason is None:
        word = word.lower()
        reason = None if word in OPENAI_FAILURES else FROM_OPENAI.get(word, FinishReason.STOP)
    return reason


def from_gemini(word: str) -> FinishReason:
    if word.startswith("IMAGE_"):
        return FinishReason.REFUSAL
    return FROM_GEMINI.get(word, FinishReason.STOP)


def to_gemini(reason: FinishReason, raw: str | None) -> str:
    """The word for `reason`; `raw`, the provider's own, if it is a word of Gemini for the same."""
    return raw if raw is not None and reason is not FinishReason.STOP and FROM_GEMINI.get(raw) is reason else TO_GEMINI[reason]
