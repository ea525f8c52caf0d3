"""Limits of Claude models, by the version in their name. A name without a version gets the limits of Claude 4.0. Pure."""

from __future__ import annotations

import re

import msgspec

_NEW_STYLE = re.compile(r"claude-[a-z]+-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_OLD_STYLE = re.compile(r"claude-(\d)(?:[-.](\d))?-[a-z]+")
_UNKNOWN = (4, 0)


class AnthropicModelLimits(msgspec.Struct, frozen=True, kw_only=True):
    temperature: bool
    """Accepts temperature and top_p, which newer models reject as deprecated."""
    temperature_with_top_p: bool
    """Accepts both in one request."""
    adaptive: bool
    """Accepts `thinking: adaptive` with an effort; older models take a budget."""
    budget: bool
    """Can think at all."""
    schemas: bool
    """Accepts `output_config.format`."""
    max_tokens: int
    """`max_tokens` for a request that has none, in tokens."""


def model_limits(model: str) -> AnthropicModelLimits:
    version = _version(model)
    claude = "claude" in model
    return AnthropicModelLimits(
        temperature=version < (4, 8),
        temperature_with_top_p=version < (4, 1),
        adaptive=version >= (4, 6),
        budget=version >= (3, 7),
        schemas=claude and version >= (4, 5),
        max_tokens=4096 if version < (3, 5) else 8192,
    )


def _version(model: str) -> tuple[int, int]:
    found = _NEW_STYLE.search(model) or _OLD_STYLE.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else _UNKNOWN
