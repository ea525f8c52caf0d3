"""Which tier and kind of request a model is for, by its name: what other programs' configurations do not say. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from octoroute.config.render.starter import billions
from octoroute.domain.endpoint import Tier

_WORDS: Sequence[tuple[int, re.Pattern[str]]] = (
    (0, re.compile(r"\b(?:nano|tiny|micro|edge|flash-lite|lite)\b")),
    (1, re.compile(r"\b(?:mini|haiku|small|instant|gemma|ministral|non-reasoning|air)\b")),
    (2, re.compile(r"\b(?:flash|fast|medium|sonnet|turbo|plus)\b")),
    (4, re.compile(r"\b(?:opus|pro|large|max|ultra|reasoner|reasoning|thinking|r1|o1|o3|deep-research)\b")),
)
"""The size of a vendor's model by a word of its name, from 0 to 4; the first that is found counts."""
_UNSAID = 3
"""A vendor's name without such a word is its ordinary large model: gpt-4o, grok-4."""
_BILLIONS: Sequence[tuple[float, int]] = ((4, 0), (14, 1), (34, 2), (100, 3))
"""(below so many billions of parameters, the size)"""

_KINDS: Sequence[tuple[Tier, re.Pattern[str]]] = (
    (Tier.EMBEDDING, re.compile(r"embed|minilm|\b(?:bge(?!-reranker)|gte|e5|voyage)-")),
    (Tier.RERANK, re.compile(r"rerank")),
    (Tier.MODERATION, re.compile(r"moderation")),
    (Tier.AUDIO, re.compile(r"whisper|transcribe|\btts\b")),
    (Tier.IMAGE, re.compile(r"dall-e|gpt-image|imagen|stable-diffusion|\bflux\b")),
)


def tier_for_requests(model: str) -> Tier | None:
    """The tier of a model that is not for chat; None: it is, as far as its name says."""
    name = model.lower()
    return next((tier for tier, words in _KINDS if words.search(name)), None)


def size_of(model: str) -> int:
    """From 0, the smallest, to 4."""
    name = re.sub(r"[_.:/]", "-", model.lower())
    parameters = billions(model)
    if parameters is not None:
        return next((size for below, size in _BILLIONS if parameters < below), 4)
    return next((size for size, words in _WORDS if words.search(name)), _UNSAID)


def rank(models: Sequence[str]) -> Mapping[str, Tier]:
    """The tier of each model among the others: the smallest size is fast, the largest deep. One size alone is balanced."""
    sizes = {model: size_of(model) for model in models}
    smallest, largest = min(sizes.values(), default=0), max(sizes.values(), default=0)
    if smallest == largest:
        return dict.fromkeys(sizes, Tier.BALANCED)
    ends = {smallest: Tier.FAST, largest: Tier.DEEP}
    return {model: ends.get(size, Tier.BALANCED) for model, size in sizes.items()}
