"""The routers that `octoroute eval` compares. Each scores every row; a higher score means that the strong model is needed."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Facts
from octoroute.errors import ConfigError
from octoroute.routing.difficulty.answer_checks import ModelAnswer
from octoroute.routing.difficulty.model import Scorer
from octoroute.routing.difficulty.subject import subject
from octoroute.routing.strategies.base import RouterSettings
from octoroute.routing.strategies.rule import RuleRouter
from octoroute.routing.training.datasets import DatasetRow

__all__ = ["NAMES", "REFERENCES", "Progress", "scores_of"]

Progress: TypeAlias = Callable[[str], None]
RowScorer: TypeAlias = Callable[[Sequence[DatasetRow], Scorer], list[float]]

_LEVEL = {Tier.FAST: 0.0, Tier.BALANCED: 0.5, Tier.DEEP: 1.0}
_PROGRESS_ROWS = 500
"""Rows between two messages of progress."""


def _learned(rows: Sequence[DatasetRow], scorer: Scorer) -> list[float]:
    return [scorer.difficulty(subject(row.prompt) or row.prompt) for row in rows]


def _cascade(rows: Sequence[DatasetRow], scorer: Scorer) -> list[float]:
    """The difficulty of the weak model's answer where the row has one, else that of the prompt."""
    return [
        scorer.difficulty(row.prompt)
        if row.weak_answer is None
        else scorer.answer_difficulty(row.prompt, ModelAnswer(text=row.weak_answer))
        for row in rows
    ]


def _length(rows: Sequence[DatasetRow], scorer: Scorer) -> list[float]:
    del scorer
    return [float(len(row.prompt)) for row in rows]


def _random(rows: Sequence[DatasetRow], scorer: Scorer) -> list[float]:
    """All scores are equal: the metrics average over ties, which is what random routing gives."""
    del scorer
    return [0.0] * len(rows)


def _oracle(rows: Sequence[DatasetRow], scorer: Scorer) -> list[float]:
    del scorer
    return [row.gain for row in rows]


def _rule(rows: Sequence[DatasetRow], scorer: Scorer) -> list[float]:
    del scorer
    router = RuleRouter(RouterSettings())

    async def route_all() -> list[float]:
        return [_LEVEL[(await router.route(_facts(row))).tier] for row in rows]

    return asyncio.run(route_all())


def _facts(row: DatasetRow) -> Facts:
    return Facts(text=row.prompt, tokens=len(row.prompt) // 4, messages=1)


_ROUTERS: dict[str, RowScorer] = {
    "random": _random,
    "length": _length,
    "rule": _rule,
    "learned": _learned,
    "cascade": _cascade,
    "oracle": _oracle,
}
NAMES = tuple(_ROUTERS)
REFERENCES = ("random", "length", "rule", "oracle")
"""Always compared: without them a result cannot be judged."""


def scores_of(name: str, rows: Sequence[DatasetRow], scorer: Scorer, progress: Progress = lambda _: None) -> list[float]:
    """`name`: one of `NAMES`, or `MODULE:FUNCTION`. Raises ConfigError if it is neither, or fails."""
    if name in _ROUTERS:
        progress(f"{name}: {len(rows)} questions")
        return _ROUTERS[name](rows, scorer)
    function = _load_function(name)
    scores: list[float] = []
    for i, row in enumerate(rows):
        if i % _PROGRESS_ROWS == 0:
            progress(f"{name}: {i} of {len(rows)}")
        scores.append(_call(name, function, row))
    return scores


def _call(name: str, function: Callable[[str], object], row: DatasetRow) -> float:
    """The function's result as a score. It may be a tier or a number; the function may raise anything."""
    try:
        value = function(row.prompt)
        if isinstance(value, str) and value in _LEVEL:
            return _LEVEL[Tier(value)]
        number = float(value)  # type: ignore[arg-type]  # raises for anything else
    except Exception as error:
        raise ConfigError([f"--router {name}: failed on question {row.id!r}: {type(error).__name__}: {error}"]) from error
    if number != number:  # noqa: PLR0124 - not a number
        raise ConfigError([f"--router {name}: gave NaN for question {row.id!r}"])
    return number


def _load_function(name: str) -> Callable[[str], object]:
    module_name, colon, function_name = name.partition(":")
    if not colon or not module_name or not function_name:
        raise ConfigError(
            [f"--router {name}: no such router; must be one of {', '.join(NAMES)}, or MODULE:FUNCTION (prompt to number)"]
        )
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        function = getattr(importlib.import_module(module_name), function_name, None)
    except ImportError as error:
        raise ConfigError([f"--router {name}: {module_name} cannot be imported ({error})"]) from None
    finally:
        sys.path.remove(here)
    if not callable(function):
        raise ConfigError([f"--router {name}: {module_name} has no function {function_name}"])
    return function
