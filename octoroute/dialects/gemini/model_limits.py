"""What Gemini models accept, by the version in their name; for a name that tells none, what all of them do. Pure."""

from __future__ import annotations

import re

import msgspec

_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_UNKNOWN: tuple[int, int] = (2, 5)


class GeminiModelLimits(msgspec.Struct, frozen=True, kw_only=True):
    json_schemas: bool
    """`parametersJsonSchema`; older ones take the OpenAPI subset."""
    json_with_tools: bool
    levels: bool
    """`thinkingLevel`; otherwise `thinkingBudget`."""
    budgets: bool
    min_budget: int
    """0: thinking can be turned off."""
    signatures: bool
    """A call in the history without its signature is refused."""


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
