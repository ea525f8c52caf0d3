"""Small plots in a terminal, of Unicode's block elements. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_LEVELS = "▁▂▃▄▅▆▇█"
_PARTS = " ▏▎▍▌▋▊▉█"
"""A cell filled from the left, by eighths."""


def sparkline(values: Sequence[float | None]) -> str:
    """One column a value, as high as its share of the largest. 0 is a dot, and None, for no value, a space."""
    largest = max((value for value in values if value is not None), default=0)
    return "".join(" " if value is None else "." if value <= 0 else _level(value / largest) for value in values)


def _level(share: float) -> str:
    return _LEVELS[min(len(_LEVELS) - 1, int(share * len(_LEVELS)))]


def bar(share: float, width: int) -> str:
    """A bar of `width` cells, filled from the left; `share`: 0 to 1."""
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_PARTS[rest] if rest else "")).ljust(width)


def narrowed(
    values: Sequence[float | None], width: int, combine: Callable[[Sequence[float]], float]
) -> tuple[list[float | None], int]:
    """At most `width` values: each is `combine` of as many neighbours as needed; and how many those are."""
    each = max(1, -(-len(values) // width))
    found: list[float | None] = []
    for at in range(0, len(values), each):
        known = [value for value in values[at : at + each] if value is not None]
        found.append(combine(known) if known else None)
    return found, each
