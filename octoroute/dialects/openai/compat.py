"""Differences of OpenAI-compatible servers: `Quirks`, named presets, and their detection by address and model. Pure.

A preset names only the differences from a plain compatible server. Configured presets are used if there are any; otherwise the
presets whose host or model pattern matches are merged in table order. Beneath both stands what the model's family refuses
(`model_families`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from octoroute.dialects.openai.model_families import SAMPLING, family_quirks
from octoroute.domain.endpoint import Endpoint

Replay = Literal["", "reasoning_content", "reasoning", "reasoning_details", "think_tags"]


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """What one server accepts. The defaults fit nearly every compatible server."""

    system_role: Literal["system", "developer"] = "system"
    mid_system: Literal["keep", "developer", "user", "hoist"] = "user"
    max_tokens_field: str = "max_tokens"
    refuses: tuple[str, ...] = ()
    """Sampling parameters that the model rejects."""
    refuses_thinking: tuple[str, ...] = ()
    """Sampling parameters that the model rejects while it thinks."""
    thinks_by_default: bool = True
    """Whether it thinks when the request does not say; only with `refuses_thinking`."""
    temperature_with_top_p: bool = True
    """Accepts both in one request."""
    max_temperature: float = 2.0
    top_k: bool = False
    output_limit: int | None = None
    """The largest `max_tokens` that the model accepts; None: not known."""
    stop_limit: int = 4
    """How many stop sequences it accepts; the others are enforced by `StopSequenceFilter`."""
    blank_stops: bool = True
    """Accepts stop sequences of white space only; otherwise they are enforced like those beyond the limit."""
    prefill: Literal["yes", "no", "prefix"] = "yes"
    """What becomes of a last assistant message: sent as it is, followed by a user message, or sent with `prefix: true`."""
    stream_options: bool = True
    null_content: bool = True
    empty_tool_content: bool = True
    content_parts: bool = False
    """Text is sent as a list of parts even without media."""
    reasoning: Literal["effort", "thinking_type", "enable_thinking", "chat_template", "openrouter", "unsupported"] = "unsupported"
    efforts: tuple[str, ...] = ("low", "medium", "high")
    """Accepted effort words, in ascending order."""
    replay: Replay = ""
    """Where assistant turns with tool calls carry their original thinking: a message field, or tags in the text; "": nowhere."""
    replay_always: bool = False
    """Turns without tool calls carry it as well; otherwise the server ignores or rejects it there."""
    split_reasoning: bool = False
    """MiniMax's switch `reasoning_split`: thinking comes in a field of its own, not in the text."""
    missing_reasoning: str | None = None
    """Sent in place of reasoning that the client dropped; None: the field is omitted."""
    user_field: str | None = None
    cache_key: bool = False
    cache_marks: bool = False
    """Takes Anthropic's `cache_control` on the parts of messages and on tools; other servers cache without marks, or not at all."""
    parallel_tool_calls: bool = True
    forced_tools: bool = True
    """Accepts a tool_choice of `required` or a function; otherwise `auto` is sent."""
    forced_tools_thinking: bool = True
    """Accepts it while the model thinks as well."""
    structured_output: Literal["json_schema", "json_object", "prompt"] = "json_schema"
    pdf: bool = False
    audio: bool = False
    think_tags: bool = False
    """Sends thinking as a leading <think>…</think> in the text."""
    mend_tool_calls: bool = False
    """Responses to clients of the same format are decoded and encoded anew, too, so that broken tool calls are mended."""
    id_limit: int = 64
    service_tier: bool = False


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "openai": {
        "mid_system": "keep",
        "max_tokens_field": "max_completion_tokens",
        "user_field": "safety_identifier",
        "cache_key": True,
        "pdf": True,
        "audio": True,
        "service_tier": True,
        "id_limit": 40,
    },
    "openai-reasoning": {
        "system_role": "developer",
        "mid_system": "developer",
        "refuses": SAMPLING,
        "stop_limit": 0,
        "reasoning": "effort",
    },
    "openai-developer": {"system_role": "developer", "mid_system": "developer"},
    "gpt-5": {"efforts": ("minimal", "low", "medium", "high")},
    "gpt-5.1": {"efforts": ("none", "low", "medium", "high")},
    "gpt-5.2": {"efforts": ("none", "low", "medium", "high", "xhigh")},
    "azure": {"mid_system": "keep", "user_field": "user", "pdf": True, "audio": True, "id_limit": 40},
    "azure-reasoning": {"max_tokens_field": "max_completion_tokens"},
    "openrouter": {
        "mid_system": "keep",
        "top_k": True,
        "reasoning": "openrouter",
        "replay": "reasoning_details",
        "replay_always": True,
        "pdf": True,
        "user_field": "user",
        "cache_marks": True,
    },
    "deepseek": {
        "structured_output": "json_object",
        "parallel_tool_calls": False,
        "reasoning": "thinking_type",
        "replay": "reasoning_content",
        "missing_reasoning": "",
    },
    "kimi": {
        "reasoning": "thinking_type",
        "replay": "reasoning_content",
        "replay_always": True,
        "missing_reasoning": " ",
        "max_temperature": 1.0,
        "parallel_tool_calls": False,
    },
    "glm": {
        "reasoning": "thinking_type",
        "replay": "reasoning_content",
        "replay_always": True,
        "max_temperature": 1.0,
        "parallel_tool_calls": False,
        "forced_tools": False,
        "structured_output": "json_object",
        "stop_limit": 1,
    },
    "qwen": {
        "reasoning": "enable_thinking",
        "replay": "reasoning_content",
        "replay_always": True,
        "structured_output": "json_object",
        "top_k": True,
        "forced_tools_thinking": False,
        "cache_marks": True,
    },
    "minimax": {
        "max_tokens_field": "max_completion_tokens",
        "split_reasoning": True,
        "replay": "reasoning_details",
        "replay_always": True,
        "max_temperature": 1.0,
        "parallel_tool_calls": False,
    },
    "mistral": {"id_limit": 9, "mid_system": "keep", "prefill": "prefix"},
    "cohere": {"mid_system": "keep", "parallel_tool_calls": False},
    "ollama": {
        "reasoning": "unsupported",
        "replay": "reasoning",
        "replay_always": True,
        "top_k": True,
        "null_content": False,
        "parallel_tool_calls": False,
    },
    "llamacpp": {
        "top_k": True,
        "null_content": False,
        "reasoning": "chat_template",
        "replay": "reasoning_content",
        "replay_always": True,
    },
    "vllm": {"top_k": True, "reasoning": "chat_template", "stop_limit": 64, "replay": "reasoning", "replay_always": True},
    "sglang": {
        "top_k": True,
        "reasoning": "chat_template",
        "stop_limit": 64,
        "replay": "reasoning_content",
        "replay_always": True,
    },
    "huggingface": {"parallel_tool_calls": False},
    "think-tags": {"think_tags": True},
    "mend-tool-calls": {"mend_tool_calls": True},
    "gpt-oss": {"reasoning": "effort", "efforts": ("low", "medium", "high")},
    "no-stream-options": {"stream_options": False},
    "no-null-content": {"null_content": False},
    "no-empty-tool-content": {"empty_tool_content": False},
    "content-parts": {"content_parts": True},
    "single-system": {"mid_system": "hoist"},
}

_BY_HOST = (
    (re.compile(r"(^|\.)api\.openai\.com$"), "openai"),
    (re.compile(r"\.(openai\.azure\.com|cognitiveservices\.azure\.com|services\.ai\.azure\.com)$"), "azure"),
    (re.compile(r"(^|\.)openrouter\.ai$"), "openrouter"),
    (re.compile(r"(^|\.)api\.deepseek\.com$"), "deepseek"),
    (re.compile(r"(^|\.)(moonshot\.(ai|cn)|kimi\.com)$"), "kimi"),
    (re.compile(r"(^|\.)(bigmodel\.cn|z\.ai)$"), "glm"),
    (re.compile(r"(^|\.)dashscope(-intl|-us)?\.aliyuncs\.com$"), "qwen"),
    (re.compile(r"(^|\.)minimaxi?\.(io|com)$"), "minimax"),
    (re.compile(r"(^|\.)api\.mistral\.ai$"), "mistral"),
    (re.compile(r"(^|\.)api\.cohere\.(ai|com)$"), "cohere"),
    (re.compile(r"(^|\.)huggingface\.co$"), "huggingface"),
)
_BY_PORT = {11434: "ollama"}
_OPENAI_REASONING = re.compile(r"(^|/)(o\d|gpt-[5-9])(?!.*chat)", re.IGNORECASE)
_BY_MODEL = (
    (re.compile(r"gpt-oss", re.IGNORECASE), "gpt-oss"),
    (re.compile(r"deepseek-?r1|(^|/)qwq|qwen3|marco-o1", re.IGNORECASE), "think-tags"),
)
_OPENAI_HOSTS = frozenset({"openai", "azure"})


@lru_cache(maxsize=1024)
def merge_presets(*names: str, model: str = "") -> Quirks:
    """Merge the named presets above the quirks of the model's family; later ones win. Raises KeyError for an unknown name."""
    fields = dict(family_quirks(model))
    for name in names:
        fields |= PRESETS[name]
    return Quirks(**fields)


def quirks_of(endpoint: Endpoint) -> Quirks:
    """The endpoint's configured quirks, or the detected ones, above those of its model's family."""
    names = endpoint.quirks or _detect_presets(endpoint.kind, endpoint.base_url, endpoint.model)
    return merge_presets(*names, model=endpoint.model)


@lru_cache(maxsize=1024)
def _detect_presets(kind: str, base_url: str, model: str) -> tuple[str, ...]:
    address = urlsplit(base_url)
    host = address.hostname or ""
    try:
        port = address.port
    except ValueError:
        port = None
    names = ["azure"] if kind == "azure" else [name for pattern, name in _BY_HOST if pattern.search(host)]
    if not names and port in _BY_PORT:
        names = [_BY_PORT[port]]
    if _OPENAI_HOSTS.intersection(names):
        if _OPENAI_REASONING.search(model):
            names.append("openai-developer")
    else:
        names += [name for pattern, name in _BY_MODEL if pattern.search(model)]
    return tuple(names)
