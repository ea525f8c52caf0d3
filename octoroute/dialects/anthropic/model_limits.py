"""What Claude models accept, by the version in their name; for a name that tells none, the careful answer. Pure."""

from __future__ import annotations

import re

import msgspec

_NEW_STYLE = re.compile(r"claude-[a-z]+-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_OLD_STYLE = re.compile(r"claude-(\d)(?:[-.](\d))?-[a-z]+")
_UNKNOWN = (4, 0)


class AnthropicModelLimits(msgspec.Struct, frozen=True, kw_only=True):
    temperature: bool
    """Newer models call it deprecated and refuse it."""
    temperature_with_top_p: bool
    adaptive: bool
    """`thinking: adaptive` with an effort; older ones take a budget."""
    budget: bool
    schemas: bool
    """`output_config.format`."""
    max_tokens: int
    """The output budget that goes out when nobody named one."""


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
