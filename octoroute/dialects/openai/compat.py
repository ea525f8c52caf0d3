"""Differences of OpenAI-compatible servers: `Quirks`, named presets, and their detection by address and model. Pure.

A preset names only the differences from a plain compatible server. Configured presets are used if there are any; otherwise the
presets whose host or model pattern matches are merged in table order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from octoroute.domain.endpoint import Endpoint


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """What one server accepts. The defaults fit nearly every compatible server."""

    system_role: Literal["system", "developer"] = "system"
    mid_system: Literal["keep", "developer", "user", "hoist"] = "user"
    max_tokens_field: str = "max_tokens"
    sampling: bool = True
    """Accepts temperature, top_p, and penalties. Reasoning models accept only the defaults."""
    top_k: bool = False
    stop_limit: int = 4
    """How many stop sequences it accepts; the others are enforced by `StopSequenceFilter`."""
    stream_options: bool = True
    null_content: bool = True
    empty_tool_content: bool = True
    content_parts: bool = False
    """Text is sent as a list of parts even without media."""
    reasoning: Literal["effort", "thinking_type", "enable_thinking", "chat_template", "openrouter", "unsupported"] = "unsupported"
    efforts: tuple[str, ...] = ("low", "medium", "high")
    """Accepted effort words, in ascending order."""
    replay_reasoning: bool = False
    """Assistant turns with tool calls must be sent with their original `reasoning_content`."""
    missing_reasoning: str | None = None
    """Sent in place of reasoning that the client dropped; None: the field is omitted."""
    user_field: str | None = None
    cache_key: bool = False
    parallel_tool_calls: bool = True
    forced_tools: bool = True
    """Accepts a tool_choice of `required` or a function; otherwise `auto` is sent."""
    structured_output: Literal["json_schema", "json_object", "prompt"] = "json_schema"
    pdf: bool = False
    audio: bool = False
    think_tags: bool = False
    """Sends thinking as a leading <think>…</think> in the text."""
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
        "sampling": False,
        "stop_limit": 0,
        "reasoning": "effort",
    },
    "gpt-5": {"efforts": ("minimal", "low", "medium", "high")},
    "gpt-5.1": {"efforts": ("none", "low", "medium", "high")},
    "gpt-5.2": {"efforts": ("none", "low", "medium", "high", "xhigh")},
    "azure": {"mid_system": "keep", "user_field": "user", "pdf": True, "audio": True, "id_limit": 40},
    "azure-reasoning": {"max_tokens_field": "max_completion_tokens"},
    "openrouter": {"mid_system": "keep", "top_k": True, "reasoning": "openrouter", "pdf": True, "user_field": "user"},
    "deepseek": {
        "structured_output": "json_object",
        "parallel_tool_calls": False,
        "reasoning": "thinking_type",
        "replay_reasoning": True,
        "missing_reasoning": "",
    },
    "kimi": {"reasoning": "thinking_type", "replay_reasoning": True, "missing_reasoning": " ", "parallel_tool_calls": False},
    "glm": {
        "reasoning": "thinking_type",
        "replay_reasoning": True,
        "parallel_tool_calls": False,
        "forced_tools": False,
        "structured_output": "json_object",
        "stop_limit": 1,
    },
    "qwen": {"reasoning": "enable_thinking", "replay_reasoning": True, "structured_output": "json_object", "top_k": True},
    "mistral": {"id_limit": 9, "mid_system": "keep"},
    "cohere": {"mid_system": "keep", "parallel_tool_calls": False},
    "ollama": {"reasoning": "unsupported", "top_k": True, "null_content": False, "parallel_tool_calls": False},
    "llamacpp": {"top_k": True, "null_content": False, "reasoning": "chat_template"},
    "vllm": {"top_k": True, "reasoning": "chat_template", "stop_limit": 64},
    "sglang": {"top_k": True, "reasoning": "chat_template", "stop_limit": 64},
    "huggingface": {"parallel_tool_calls": False},
    "think-tags": {"think_tags": True},
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
    (re.compile(r"(^|\.)api\.mistral\.ai$"), "mistral"),
    (re.compile(r"(^|\.)api\.cohere\.(ai|com)$"), "cohere"),
    (re.compile(r"(^|\.)huggingface\.co$"), "huggingface"),
)
_BY_PORT = {11434: "ollama"}
_OPENAI_REASONING = re.compile(r"(^|/)(o\d|gpt-[5-9])(?!.*chat)", re.IGNORECASE)
_BY_GENERATION = (
    (re.compile(r"gpt-5(?![.\d])", re.IGNORECASE), "gpt-5"),
    (re.compile(r"gpt-5\.1", re.IGNORECASE), "gpt-5.1"),
    (re.compile(r"gpt-(5\.[2-9]|[6-9])", re.IGNORECASE), "gpt-5.2"),
)
_BY_MODEL = (
    (re.compile(r"gpt-oss", re.IGNORECASE), "gpt-oss"),
    (re.compile(r"deepseek-?r1|(^|/)qwq|qwen3|marco-o1", re.IGNORECASE), "think-tags"),
)
_OPENAI_HOSTS = frozenset({"openai", "azure"})


@lru_cache(maxsize=1024)
def merge_presets(*names: str) -> Quirks:
    """Merge the named presets; later ones win. Raises KeyError for an unknown name."""
    fields: dict[str, Any] = {}
    for name in names:
        fields |= PRESETS[name]
    return Quirks(**fields)


def quirks_of(endpoint: Endpoint) -> Quirks:
    """The endpoint's configured quirks, or the detected ones."""
    return merge_presets(*(endpoint.quirks or _detect_presets(endpoint.kind, endpoint.base_url, endpoint.model)))


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
            names += ["openai-reasoning", *(["azure-reasoning"] if "azure" in names else [])]
            names += [name for pattern, name in _BY_GENERATION if pattern.search(model)]
    else:
        names += [name for pattern, name in _BY_MODEL if pattern.search(model)]
    return tuple(names)
