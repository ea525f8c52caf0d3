"""The names of `[aliases]`: what clients ask for, and what it stands for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import msgspec

MAX_NAME_CHARS = 256
"""A longer name matches no alias: the work for a name is bounded."""


class Alias(NamedTuple):
    name: str
    """As the configuration has it, a glob included."""
    target: str
    """`auto`, a tier, or a configured name or id."""


class Aliases(msgspec.Struct, frozen=True, dict=True):
    targets: Mapping[str, str] = {}
    """By name or glob; a target may be another alias. There are no loops: the configuration refuses them."""

    def __bool__(self) -> bool:
        return bool(self.targets)

    def find(self, model: str) -> Alias | None:
        """The alias for this name, in the case in which it is written: an exact one, else the longest glob."""
        if len(model) > MAX_NAME_CHARS:
            return None
        name = model if model in self.targets else next((glob for glob, pattern in self._globs if pattern.matches(model)), None)
        return None if name is None else Alias(name, self._final(name))

    @property
    def names(self) -> list[str]:
        """The aliases that are not globs."""
        return [name for name in self.targets if not is_glob(name)]

    @cached_property
    def _globs(self) -> list[tuple[str, _Glob]]:
        """Longest first; of the same length, in the order of the file."""
        return sorted(((name, _Glob.of(name)) for name in self.targets if is_glob(name)), key=lambda item: -len(item[0]))

    def _final(self, name: str) -> str:
        target = self.targets[name]
        while target in self.targets:
            target = self.targets[target]
        return target


def is_glob(name: str) -> bool:
    return "*" in name or "?" in name


def loops(targets: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Each name whose targets lead back to it, with the names on the way; the first and the last are the same."""
    for name in targets:
        way = [name]
        while (following := targets.get(way[-1])) is not None and following not in way:
            way.append(following)
        if following == name:
            yield name, [*way, name]


class _Glob(msgspec.Struct, frozen=True):
    """The texts between the stars. Each is searched once, from left to right, so that no glob takes more than linear time."""

    first: re.Pattern[str]
    between: tuple[re.Pattern[str], ...]
    last: re.Pattern[str] | None
    """None: there is no star, so `first` is all."""

    @classmethod
    def of(cls, glob: str) -> _Glob:
        texts = ["".join("." if char == "?" else re.escape(char) for char in text) for text in glob.split("*")]
        first, *rest = texts
        if not rest:
            return cls(re.compile(first + r"\Z", re.DOTALL), (), None)
        between = tuple(re.compile(text, re.DOTALL) for text in rest[:-1] if text)
        return cls(re.compile(first, re.DOTALL), between, re.compile(rest[-1] + r"\Z", re.DOTALL))

    def matches(self, name: str) -> bool:
        found = self.first.match(name)
        for pattern in self.between:
            if found is None:
                return False
            found = pattern.search(name, found.end())
        if found is None or self.last is None:
            return found is not None
        return self.last.search(name, found.end()) is not None
