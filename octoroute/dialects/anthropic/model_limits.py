"""What each generation of Claude models accepts, by the version in the name. Pure.

The name is searched, so a prefix or suffix does not matter: `anthropic/claude-opus-4.8`, `us.anthropic.claude-opus-4-8-v1:0`, and
`claude-sonnet-4-5@20250929` are found as well. Sources: Anthropic, "Models overview" and the migration guide of each model. A value
that a model rejects costs the whole request (status 400), so a doubtful one counts as rejected.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

_NEW_STYLE = re.compile(r"claude-([a-z]+)-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_OLD_STYLE = re.compile(r"claude-(\d)(?:[-.](\d))?(?:-([a-z]+))?(?![\da-z])")
_LATEST = re.compile(r"claude-([a-z]+)-latest")
_UNKNOWN = (4, 0)
_NEWEST = (5, 1)
"""Counts as the version of a `-latest` name: what it accepts, the models before it accept as well, from 4.6 on."""
_ALWAYS_THINK = frozenset({"fable", "mythos"})
"""Model classes whose thinking cannot be turned off in any version."""


class AnthropicModelLimits(msgspec.Struct, frozen=True, kw_only=True):
    sampling: bool = True
    """Accepts temperature, top_p, and top_k."""
    temperature_with_top_p: bool = False
    """Accepts both in one request."""
    adaptive: bool = False
    """Accepts `thinking: adaptive` with an effort; other models take a budget."""
    budget: bool = True
    """Can think at all."""
    thinking_off: bool = True
    """Accepts `thinking: disabled`."""
    efforts: tuple[str, ...] = ()
    """Words of `output_config.effort`, in ascending order; none: it takes no effort."""
    schemas: bool = False
    """Accepts `output_config.format`."""
    prefill: bool = True
    """Continues a last message of the assistant."""
    forced_tools: bool = True
    """Accepts a tool_choice of `any` or a tool."""
    max_tokens: int = 8192
    """`max_tokens` for a request that has none, in tokens."""
    output_limit: int | None = None
    """The largest `max_tokens` that it accepts; None: not known."""


_GENERATIONS: tuple[tuple[tuple[int, int], dict[str, Any]], ...] = (
    ((0, 0), {"temperature_with_top_p": True, "budget": False, "max_tokens": 4096, "output_limit": 4096}),
    ((3, 5), {"max_tokens": 8192, "output_limit": 8192}),
    ((3, 7), {"budget": True, "output_limit": 64_000}),
    ((4, 1), {"temperature_with_top_p": False}),
    ((4, 5), {"schemas": True}),
    ((4, 6), {"adaptive": True, "prefill": False, "efforts": ("low", "medium", "high", "max")}),
    ((4, 7), {"sampling": False, "efforts": ("low", "medium", "high", "xhigh", "max"), "output_limit": 128_000}),
    ((5, 1), {"thinking_off": False, "forced_tools": False}),
)
"""What changes with each version; a model has the changes of its own version and of all earlier ones."""
_OPUS_LIMITS = (((4, 6), 128_000), ((4, 5), 64_000), ((4, 0), 32_000))
"""Opus models differ from the others in `output_limit`."""


@lru_cache(maxsize=1024)
def model_limits(model: str) -> AnthropicModelLimits:
    """Limits of a model name; one without a version has those of Claude 4.0, without limit of its output."""
    kind, version = _version(model.lower())
    fields: dict[str, Any] = {}
    for since, changes in _GENERATIONS:
        if version >= since:
            fields |= changes
    if kind is None:
        fields["output_limit"] = None
    elif kind == "opus":
        fields["output_limit"] = next((limit for since, limit in _OPUS_LIMITS if version >= since), fields["output_limit"])
    if kind in _ALWAYS_THINK:
        fields["thinking_off"] = False
    return AnthropicModelLimits(**fields)


def is_claude(model: str) -> bool:
    """True for the name of a Claude model, whatever stands before and after it."""
    return _version(model.lower())[0] is not None


def _version(model: str) -> tuple[str | None, tuple[int, int]]:
    """(class, e.g. opus; version). The class is None for a name without a version, "" for an old one without a class."""
    found = _NEW_STYLE.search(model)
    if found is not None:
        return found[1], (int(found[2]), int(found[3] or 0))
    found = _OLD_STYLE.search(model)
    if found is not None:
        return found[3] or "", (int(found[1]), int(found[2] or 0))
    found = _LATEST.search(model)
    return (found[1], _NEWEST) if found is not None else (None, _UNKNOWN)
