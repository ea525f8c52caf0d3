"""Reasoning effort: conversion between thinking budgets in tokens and effort words, limited to what a model accepts. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from octoroute.domain.conversation import ThinkingWish

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Effort words in ascending order."""

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24576, "xhigh": 32768, "max": 32768}
_LOW_BELOW, _MEDIUM_BELOW = 4096, 16384
MIN_BUDGET = 1024


def effort_of(wish: ThinkingWish | None) -> str | None:
    """The effort word for a thinking wish; None leaves the effort to the model."""
    if wish is None:
        return None
    if wish.enabled is False:
        return "none"
    if wish.effort is not None:
        return wish.effort
    if wish.budget_tokens is None:
        return None
    if wish.budget_tokens < _LOW_BELOW:
        return "low"
    return "medium" if wish.budget_tokens < _MEDIUM_BELOW else "high"


def nearest_effort(effort: str, offered: Sequence[str]) -> str | None:
    """Return the word of `offered` (ascending) that is nearest to `effort`, the lower one of two; None if there is none.

    `none` becomes at most `minimal`, because any other word would turn thinking on.
    """
    if effort in offered or not offered:
        return effort if offered else None
    if effort not in EFFORTS:
        return None
    if effort == "none":
        return "minimal" if "minimal" in offered else None
    place = EFFORTS.index(effort)
    return min((word for word in offered if word != "none"), key=lambda word: abs(EFFORTS.index(word) - place), default=None)


def budget_of(wish: ThinkingWish) -> int:
    """The thinking budget in tokens, at least Anthropic's minimum."""
    return max(MIN_BUDGET, wish.budget_tokens or _BUDGETS.get(wish.effort or "medium", _BUDGETS["medium"]))


def fit_budget(budget: int, max_tokens: int) -> tuple[int, int]:
    """Return (budget, max_tokens) in tokens; at most four fifths of `max_tokens` are for thinking.

    If that is less than the minimum budget, `max_tokens` is raised by the minimum, so the text keeps the client's limit.
    """
    budget = min(budget, max_tokens * 4 // 5)
    return (budget, max_tokens) if budget >= MIN_BUDGET else (MIN_BUDGET, max_tokens + MIN_BUDGET)


def wants_thinking(wish: ThinkingWish | None) -> bool:
    return (
        wish is not None
        and wish.enabled is not False
        and wish.effort != "none"
        and (bool(wish.enabled) or wish.adaptive or wish.effort is not None or wish.budget_tokens is not None)
    )
