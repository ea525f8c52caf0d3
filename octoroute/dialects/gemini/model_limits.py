"""Limits of Gemini models, by the version in their name. A name without a version gets the limits of Gemini 2.5. Pure.

Sources: Google, "Gemini models", "Gemini thinking", and "Gemma on Gemini API".
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_UNKNOWN: tuple[int, int] = (2, 5)
_GEMMA = re.compile(r"gemma-?[1-3]")
_SHORT_OUTPUT, _LONG_OUTPUT = 8192, 65_536
_LEVELS = ("minimal", "low", "medium", "high")


class GeminiModelLimits(msgspec.Struct, frozen=True, kw_only=True):
    json_schemas: bool
    """Accepts `parametersJsonSchema`; older models take the OpenAPI subset."""
    json_with_tools: bool
    """Accepts JSON output together with tools."""
    json: bool
    """Accepts JSON output at all."""
    tools: bool
    """Accepts function declarations."""
    system: bool
    """Accepts a system instruction."""
    penalties: bool
    """Accepts presencePenalty and frequencyPenalty."""
    levels: tuple[str, ...]
    """Words of `thinkingLevel`, in ascending order; none: it takes a `thinkingBudget`."""
    budgets: bool
    """Can think at all."""
    min_budget: int
    """Smallest thinking budget in tokens; 0: thinking can be turned off."""
    budget_range: tuple[int, int]
    """Thinking budgets that it accepts, besides off and automatic, in tokens."""
    signatures: bool
    """Rejects a tool call in the history without its signature."""
    output_limit: int | None
    """The largest `maxOutputTokens` that it accepts; None: not known."""
    images: bool
    """Answers with images."""


@lru_cache(maxsize=1024)
def model_limits(model: str) -> GeminiModelLimits:
    model = model.lower()
    found = _VERSION.search(model)
    version = _UNKNOWN if found is None else (int(found[1]), int(found[2] or 0))
    pro, images, gemma = "pro" in model, "image" in model, _GEMMA.search(model) is not None
    return GeminiModelLimits(
        json_schemas=version >= (2, 5) and not gemma,
        json_with_tools=version >= (3, 0),
        json=not gemma and not (images and version < (3, 0)),
        tools=not (images or gemma),
        system=not gemma,
        penalties=version < (2, 5),
        levels=() if version < (3, 0) else _pro_levels(version) if pro else _LEVELS,
        budgets=version >= (2, 5) and not gemma and not (images and version < (3, 0)),
        min_budget=128 if pro else 0,
        budget_range=(128, 32_768) if pro else (512 if "lite" in model else 1, 24_576),
        signatures=version >= (3, 0),
        output_limit=None if found is None or images else _SHORT_OUTPUT if version < (2, 5) else _LONG_OUTPUT,
        images=images,
    )


def _pro_levels(version: tuple[int, int]) -> tuple[str, ...]:
    return ("low", "high") if version < (3, 1) else _LEVELS[1:]
