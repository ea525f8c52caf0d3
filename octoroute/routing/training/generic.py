"""Open requests written for this project, expanded from `generic.txt`; for training only, and the same on every machine."""

from __future__ import annotations

import re
from importlib import resources
from zlib import crc32

import msgspec

__all__ = ["GenericPrompt", "expand", "generic_prompts"]

_SLOT = re.compile(r"\{([^{}]*\|[^{}]*)\}")
VARIANTS = 5


class GenericPrompt(msgspec.Struct, frozen=True):
    prompt: str
    weak_wrong: float
    """The chance, as judged by the authors, that a small model's answer would not do."""
    kind: str
    template: int
    """Its line: variants of one template are not independent of each other."""


def expand(template: str, variant: int) -> str:
    """One way to fill the slots. Chosen by a checksum, because a random generator may change between versions of Python."""
    place = 0

    def choose(found: re.Match[str]) -> str:
        nonlocal place
        place += 1
        ways = found.group(1).split("|")
        return ways[(crc32(f"{place}:{template}".encode()) + variant * (1 + crc32(f"{place}".encode()) % 3)) % len(ways)]

    return _SLOT.sub(choose, template).replace("\\n", "\n")


def generic_prompts(variants: int = VARIANTS) -> list[GenericPrompt]:
    """Without repetitions, in the order of the file."""
    found: dict[str, GenericPrompt] = {}
    chance, kind = 0.0, ""
    text = resources.files("octoroute.routing.training").joinpath("generic.txt").read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("@ "):
            _, told, kind = line.split(" ", 2)
            chance = float(told)
            continue
        for variant in range(variants):
            prompt = expand(line, variant)
            found.setdefault(prompt, GenericPrompt(prompt, chance, kind, number))
    return list(found.values())
