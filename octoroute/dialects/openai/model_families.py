"""What families of models refuse, whichever OpenAI-compatible server they stand behind: fields of `Quirks` by model name. Pure.

A name is searched, so prefixes of aggregators and dates do not matter: `openai/gpt-5-mini`, `eu.anthropic.claude-opus-4-8-v1:0`.
Presets of servers (`compat`) win where both set a field: they know how a server wants something, this table what a model takes.
Sources: the parameter tables of each vendor's API reference and model pages. A value that a model rejects costs the whole request,
so a doubtful one counts as rejected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from octoroute.dialects.anthropic.model_limits import is_claude, model_limits

SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
Family = tuple[re.Pattern[str], Mapping[str, Any]]


def _named(pattern: str) -> re.Pattern[str]:
    """Matches a model name at its start or after a vendor's prefix (`openai/`, `xai.`)."""
    return re.compile(rf"(?:^|[/.:~])(?:{pattern})", re.IGNORECASE)


_REASONING: Mapping[str, Any] = {
    "refuses": SAMPLING,
    "stop_limit": 0,
    "max_tokens_field": "max_completion_tokens",
    "reasoning": "effort",
}
_FAMILIES: tuple[Family, ...] = (
    # OpenAI, "Reasoning models", and the limits on each model's page
    (_named(r"gpt-3\.5-turbo|gpt-4-turbo|gpt-4-(?:0125|1106)-preview"), {"output_limit": 4096}),
    (_named(r"gpt-4(?:-0613|-0314)?$"), {"output_limit": 8192}),
    (_named(r"gpt-4o|chatgpt-4o|gpt-5(?:\.\d+)?-chat"), {"output_limit": 16_384}),
    (_named(r"gpt-4o(?:-mini)?-search"), {"refuses": SAMPLING, "stop_limit": 0}),
    (_named(r"gpt-4\.1"), {"output_limit": 32_768}),
    (_named(r"o[134](?:$|-)"), {**_REASONING, "output_limit": 100_000}),
    (_named(r"o1-preview"), {"output_limit": 32_768}),
    (_named(r"o1-mini"), {"output_limit": 65_536}),
    (_named(r"gpt-[5-9](?!.*chat)"), {**_REASONING, "output_limit": 128_000, "efforts": ("low", "medium", "high", "xhigh")}),
    (_named(r"gpt-5(?![.\d])(?!.*chat)"), {"efforts": ("minimal", "low", "medium", "high")}),
    (_named(r"gpt-5\.1(?!.*chat)"), {"efforts": ("none", "low", "medium", "high")}),
    (_named(r"gpt-(?:5\.[2-9]|[6-9])(?!.*(?:chat|pro|codex))"), {"efforts": ("none", "low", "medium", "high", "xhigh")}),
    (  # without reasoning, which is their default, they sample
        _named(r"gpt-5\.[124](?!.*(?:chat|pro|codex))"),
        {"refuses": (), "refuses_thinking": SAMPLING, "thinks_by_default": False},
    ),
    # xAI, "Reasoning": penalties and stop are errors for its reasoning models; only some of them take an effort
    (
        _named(r"grok-(?:3-mini|4|code|5)(?!.*non-reasoning)"),
        {"refuses": ("presence_penalty", "frequency_penalty"), "stop_limit": 0},
    ),
    (_named(r"grok-3-mini"), {"reasoning": "effort", "efforts": ("low", "high")}),
    (_named(r"grok-4\.3"), {"reasoning": "effort", "efforts": ("none", "low", "medium", "high")}),
    (_named(r"grok-(?:4\.[5-9]|5)"), {"reasoning": "effort", "efforts": ("low", "medium", "high")}),
    # DeepSeek describes this under "Thinking mode"; R1 takes no reasoning back
    (_named(r"(?:[\w-]+[/])?deepseek-(?:v3\.[12]|v[4-9]|reasoner|chat|flash|pro)"), {"replay": "reasoning_content"}),
    # Moonshot: fixed sampling from K2.5 on; tool_choice is auto or none
    (_named(r"kimi-(?:k2-thinking|k2\.[5-9]|k[3-9])"), {"replay": "reasoning_content", "replay_always": True}),
    (_named(r"kimi-(?:k2\.[5-9]|k[3-9])"), {"refuses": SAMPLING}),
    (_named(r"kimi-|moonshot-"), {"max_temperature": 1.0, "forced_tools": False}),
    # Z.ai, Alibaba, MiniMax, Xiaomi: "Interleaved thinking"
    (_named(r"glm-(?:4\.[5-9]|[5-9])"), {"replay": "reasoning_content", "replay_always": True, "max_temperature": 1.0}),
    (_named(r"qwen3.*thinking|qwen3\.[5-9]|qwen-?plus|qwen3?-max|mimo-"), {"replay": "reasoning_content"}),
    (_named(r"minimax-m\d"), {"replay": "think_tags", "replay_always": True, "think_tags": True, "max_temperature": 1.0}),
    # Google documents these under "Gemini models"
    (_named(r"gemini-(?:1\.5|2\.0)"), {"output_limit": 8192}),
    (_named(r"gemini-(?:2\.5|[3-9])"), {"output_limit": 65_536}),
)


@lru_cache(maxsize=1024)
def family_quirks(model: str) -> Mapping[str, Any]:
    """The fields of `Quirks` that the model's family sets; later rows of the table win."""
    if is_claude(model):
        return _claude(model)
    fields: dict[str, Any] = {}
    for pattern, changes in _FAMILIES:
        if pattern.search(model):
            fields |= changes
    return fields


def _claude(model: str) -> Mapping[str, Any]:
    """Anthropic's rules, for Claude behind an aggregator or a proxy that speaks OpenAI's format."""
    can = model_limits(model)
    return {
        "refuses": () if can.sampling else (*SAMPLING, "top_k"),
        "refuses_thinking": ("temperature", "top_p", "top_k"),
        "thinks_by_default": False,
        "temperature_with_top_p": can.temperature_with_top_p,
        "max_temperature": 1.0,
        "blank_stops": False,
        "prefill": "yes" if can.prefill else "no",
        "forced_tools": can.forced_tools,
        "output_limit": can.output_limit,
        "cache_marks": True,
    }
