"""Fits a head to examples: sign-constrained weights, word weights, and a calibrated probability. Pure and deterministic."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import log
from zlib import crc32

import msgspec

from octoroute.routing.difficulty.answer_features import ANSWER_NAMES, SIGNS
from octoroute.routing.difficulty.features import NAMES, PromptFeatures
from octoroute.routing.difficulty.model import AnswerHead, Head
from octoroute.routing.training.linear import constrained_ridge, logistic, mean, sparse_ridge, standardise
from octoroute.routing.training.recipe import Recipe

__all__ = ["Example", "RawHead", "deviation", "fit_answer", "fit_head", "fit_raw", "names_in"]

_PLACE = {name: i for i, name in enumerate(NAMES)}


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """`target`: what the weights are fitted to. `label`: the chance, 0..1, that the cheap model was wrong; for calibration."""

    features: PromptFeatures
    target: float
    label: float
    source: str
    """The file of the question. Targets are centred per source, so that no head learns which file a question came from."""
    weight: float = 1.0
    block: str = ""
    """Examples of one block share a fold, so that calibration sees only questions that the weights have not seen."""


_INSIDE = re.compile(r"(?<=[a-z,;] )([A-Za-z][a-z]+)")


def names_in(texts: Sequence[str]) -> frozenset[str]:
    """Words that are mostly capitalised inside sentences: names, which must get no weight."""
    seen: Counter[str] = Counter()
    capital: Counter[str] = Counter()
    for text in texts:
        for word in _INSIDE.findall(text):
            low = word.lower()
            seen[low] += 1
            capital[low] += word[0].isupper()
    return frozenset(word for word, count in capital.items() if 2 * count > seen[word])


def fit_answer(
    examples: Sequence[Example], answers: Sequence[tuple[float, ...]], recipe: Recipe, names: frozenset[str] = frozenset()
) -> AnswerHead:
    """The head of answers. The prompts' scores come from heads that were not fitted to them."""
    folds = _folds(examples)
    prompt_scores, answer_scores = [0.0] * len(examples), [0.0] * len(examples)
    for fold in sorted(set(folds)):
        others = [i for i, other in enumerate(folds) if other != fold]
        part = fit_raw([examples[i] for i in others], recipe, names)
        weights, centers = _fit_answers([examples[i] for i in others], [answers[i] for i in others])
        for i, other in enumerate(folds):
            if other == fold:
                prompt_scores[i] = part.score(examples[i].features)
                answer_scores[i] = _weighted(weights, centers, answers[i])
    unit, prompt_unit = deviation(answer_scores) or 1.0, deviation(prompt_scores) or 1.0
    joint = [a / unit + PROMPT_SHARE * p / prompt_unit for a, p in zip(answer_scores, prompt_scores, strict=True)]
    slope, offset = logistic(joint, [example.label for example in examples])
    weights, centers = _fit_answers(examples, answers)
    head_slope, head_offset = logistic(prompt_scores, [example.label for example in examples])
    prompt = slope * PROMPT_SHARE / prompt_unit / (head_slope or 1.0)
    return AnswerHead(
        bias=round(offset - prompt * head_offset, 4),
        features={name: round(slope * w / unit, 4) for name, w in zip(ANSWER_NAMES, weights, strict=True) if w},
        centers={name: round(c, 4) for name, w, c in zip(ANSWER_NAMES, weights, centers, strict=True) if w},
        prompt=round(prompt, 4),
    )


PROMPT_SHARE = 0.6
"""Weight of the prompt's score beside the answer's, both in standard deviations."""


def _fit_answers(examples: Sequence[Example], answers: Sequence[tuple[float, ...]]) -> tuple[list[float], list[float]]:
    """(weights, centers) on raw values; the target is half the strong model's gain, half the weak model's error."""
    columns = standardise(answers)
    targets = _centred([msgspec.structs.replace(e, target=(e.target + e.label) / 2) for e in examples])
    found = constrained_ridge(columns.values, targets, SIGNS, 40.0)
    return [w / s if s else 0.0 for w, s in zip(found, columns.deviations, strict=True)], columns.means


def _weighted(weights: Sequence[float], centers: Sequence[float], values: Sequence[float]) -> float:
    total = 0.0
    for weight, center, value in zip(weights, centers, values, strict=True):
        total += weight * (value - center)
    return total


def _folds(examples: Sequence[Example]) -> list[int]:
    return [crc32(example.block.encode()) % FOLDS for example in examples]


def fit_head(examples: Sequence[Example], recipe: Recipe, names: frozenset[str] = frozenset()) -> Head:
    """`names`: words that must get no weight. Calibrated on held-out folds, because fitted questions look too good."""
    raw = fit_raw(examples, recipe, names)
    folds = _folds(examples)
    scores = [0.0] * len(examples)
    for fold in sorted(set(folds)):
        part = fit_raw([example for example, other in zip(examples, folds, strict=True) if other != fold], recipe, names)
        for i, other in enumerate(folds):
            if other == fold:
                scores[i] = part.score(examples[i].features)
    slope, offset = logistic(scores, [example.label for example in examples], [example.weight for example in examples])
    slope = max(slope, recipe.slope / (deviation(scores) or 1.0))
    return Head(
        bias=round(offset - slope * raw.mean_wording, 4),
        features={name: round(slope * weight, 4) for name, weight in raw.features.items()},
        centers={name: round(raw.centers[name], 4) for name in raw.features},
        words={word: short for word, weight in raw.words.items() if (short := round(slope * weight, 3))},
        exponent=recipe.exponent,
    )


FOLDS = 5
"""Folds of the examples, by checksum of their block."""


class RawHead(msgspec.Struct, frozen=True):
    """Weights before calibration."""

    features: dict[str, float]
    centers: dict[str, float]
    words: dict[str, float]
    exponent: float
    mean_wording: float
    """The mean of the word weights' contribution."""

    def score(self, features: PromptFeatures) -> float:
        total = worded = 0.0
        for name, weight in self.features.items():
            total += weight * (features.values[_PLACE[name]] - self.centers[name])
        for word in features.words:
            if word in self.words:
                worded += self.words[word]
        return total - self.mean_wording + worded / (len(features.words) + 8.0) ** self.exponent


def fit_raw(examples: Sequence[Example], recipe: Recipe, names: frozenset[str]) -> RawHead:
    targets = _centred(examples)
    weights = [example.weight for example in examples]
    places = [_PLACE[name] for name in recipe.signs]
    columns = standardise([[example.features.values[place] for place in places] for example in examples], weights)
    fitted = constrained_ridge(columns.values, targets, tuple(recipe.signs.values()), recipe.penalty, weights)
    scores = [0.0] * len(examples)
    for weight, column in zip(fitted, columns.values, strict=True):
        if weight:
            scores = [value + weight * x for value, x in zip(scores, column, strict=True)]
    words: dict[str, float] = {}
    usual = 0.0
    if recipe.words:
        words, worded = _fit_words(examples, targets, recipe, names)
        spread = deviation(worded)
        scale = recipe.word_share * (deviation(scores) or deviation(targets) * 0.2) / spread if spread > 1e-9 else 0.0
        words = {word: weight * scale for word, weight in words.items()}
        usual = mean(worded) * scale
    used = {name: j for j, name in enumerate(recipe.signs) if fitted[j] and columns.deviations[j]}
    return RawHead(
        {name: fitted[j] / columns.deviations[j] for name, j in used.items()},
        {name: columns.means[j] for name, j in used.items()},
        words,
        recipe.exponent,
        usual,
    )


def deviation(values: Sequence[float]) -> float:
    middle = mean(values)
    return mean([(value - middle) ** 2 for value in values]) ** 0.5


def _centred(examples: Sequence[Example]) -> list[float]:
    sources: dict[str, list[Example]] = {}
    for example in examples:
        sources.setdefault(example.source, []).append(example)
    middles = {source: mean([e.target for e in members], [e.weight for e in members]) for source, members in sources.items()}
    return [example.target - middles[example.source] for example in examples]


def _fit_words(
    examples: Sequence[Example], targets: list[float], recipe: Recipe, names: frozenset[str]
) -> tuple[dict[str, float], list[float]]:
    """(word → weight, the words' contribution to each example)."""
    count = Counter(word for example in examples for word in example.features.words)
    vocabulary = sorted(
        word for word, n in count.items() if n >= recipe.min_count and len(word) > 1 and word not in names and word.isascii()
    )
    place = {word: i for i, word in enumerate(vocabulary)}
    rows = [[place[word] for word in example.features.words if word in place] for example in examples]
    scales = [1.0 / (len(example.features.words) + 8.0) ** recipe.exponent for example in examples]
    factors = [log(len(examples) / count[word]) if recipe.idf else 1.0 for word in vocabulary]
    weights = sparse_ridge(rows, scales, factors, targets, recipe.word_penalty)
    weights = [weight * factor for weight, factor in zip(weights, factors, strict=True)]
    contributions: list[float] = []
    for row, scale in zip(rows, scales, strict=True):
        total = 0.0
        for word in row:
            total += weights[word]
        contributions.append(total * scale)
    return dict(zip(vocabulary, weights, strict=True)), contributions
