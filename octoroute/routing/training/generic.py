"""Open requests written for this project, expanded from the templates of `generic.txt`; for training only. Deterministic."""

from __future__ import annotations

import re
from importlib import resources
from zlib import crc32

import msgspec

__all__ = ["GenericPrompt", "expand", "generic_prompts"]

_SLOT = re.compile(r"\{([^{}]*\|[^{}]*)\}")
VARIANTS = 5
"""Prompts made of one template."""


class GenericPrompt(msgspec.Struct, frozen=True):
    """An open request with a judged label."""

    prompt: str
    weak_wrong: float
    """The chance, estimated by the authors, that a small model's answer would be inadequate."""
    kind: str
    template: int
    """The template's line: its variants are not independent of each other."""


def expand(template: str, variant: int) -> str:
    """The template with its slots filled. A checksum chooses, because a random generator may change between Python versions."""
    place = 0

    def choose(slot: re.Match[str]) -> str:
        nonlocal place
        place += 1
        options = slot.group(1).split("|")
        return options[(crc32(f"{place}:{template}".encode()) + variant * (1 + crc32(f"{place}".encode()) % 3)) % len(options)]

    return _SLOT.sub(choose, template).replace("\\n", "\n")


def generic_prompts(variants: int = VARIANTS) -> list[GenericPrompt]:
    """All prompts without repetitions, in the order of the file."""
    found: dict[str, GenericPrompt] = {}
    chance, kind = 0.0, ""
    text = resources.files("octoroute.routing.training").joinpath("generic.txt").read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("@ "):
            _, number_text, kind = line.split(" ", 2)
            chance = float(number_text)
            continue
        for variant in range(variants):
            prompt = expand(line, variant)
            found.setdefault(prompt, GenericPrompt(prompt, chance, kind, number))
    return list(found.values())
