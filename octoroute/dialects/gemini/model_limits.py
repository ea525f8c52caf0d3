"""Limits of Gemini models, by the version in their name. A name without a version gets the limits of Gemini 2.5. Pure."""

from __future__ import annotations

import re

import msgspec

_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_UNKNOWN: tuple[int, int] = (2, 5)


class GeminiModelLimits(msgspec.Struct, frozen=True, kw_only=True):
    json_schemas: bool
    """Accepts `parametersJsonSchema`; older models take the OpenAPI subset."""
    json_with_tools: bool
    """Accepts JSON output together with tools."""
    levels: bool
    """Takes `thinkingLevel`; otherwise `thinkingBudget`."""
    budgets: bool
    """Can think at all."""
    min_budget: int
    """Smallest thinking budget in tokens; 0: thinking can be turned off."""
    signatures: bool
    """Rejects a tool call in the history without its signature."""


def model_limits(model: str) -> GeminiModelLimits:
    found = _VERSION.search(model)
    version = _UNKNOWN if found is None else (int(found[1]), int(found[2] or 0))
    return GeminiModelLimits(
        json_schemas=version >= (2, 5),
        json_with_tools=version >= (3, 0),
        levels=version >= (3, 0),
        budgets=version >= (2, 5),
        min_budget=128 if "pro" in model else 0,
        signatures=version >= (3, 0),
    )
