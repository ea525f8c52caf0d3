"""Fits a head to an operator's own labels and blends it with the shipped heads, if that is demonstrably better. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import msgspec

from octoroute.routing.difficulty.features import PromptFeatures, extract_features
from octoroute.routing.difficulty.model import Head, Model, Provenance, Scorer, sigmoid
from octoroute.routing.difficulty.subject import subject
from octoroute.routing.difficulty.thresholds import percentiles
from octoroute.routing.training.datasets import DatasetRow
from octoroute.routing.training.heads import Example, RawHead, deviation, fit_raw, names_in
from octoroute.routing.training.linear import logistic, mean
from octoroute.routing.training.metrics import Interval, apgr, bootstrap, interval
from octoroute.routing.training.recipe import CHOICES_RECIPE, GENERAL_RECIPE, QUIZ_RECIPE, STORY_RECIPE, Recipe

__all__ = ["MIN_CONFIDENCE", "MIN_LABELS", "RECOMMENDED_LABELS", "TrainingResult", "train"]

MIN_LABELS, RECOMMENDED_LABELS = 200, 500
"""Below the first number of labels training makes routing worse; from the second on it clearly improves it."""
_FOLDS = 8
_BLENDS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
_SHRINK = 0.006
"""Gain in APGR that a blend of 1 must have over the prior; smaller blends need proportionally less."""
_DOUBT = 900
"""Labels from which the own head may weigh as much as the prior, because cross-validation overrates it with few labels."""
MIN_CONFIDENCE = 0.95
"""Share of resamples in which the trained artefact must beat the prior."""


class TrainingResult(msgspec.Struct, frozen=True, kw_only=True):
    model: Model | None
    """None: the result is not better than the prior, which stays in use."""
    labels: int
    blend: float
    """0: the prior only; 1: the own head only."""
    prior_apgr: float
    apgr: float
    """Cross-validated; the blend of each fold is chosen on the other folds."""
    difference: Interval
    """95 % interval of the paired difference."""
    confidence: float
    """Share of resamples in which the result is better than the prior."""
    recipe: str


def train(
    rows: Sequence[DatasetRow], prior: Scorer, provenance: Provenance, *, seed: int = 0, force: bool = False
) -> TrainingResult:
    """`rows`: labelled, at least `MIN_LABELS`. `force`: return the model even if it is not better."""
    all_features = [extract_features(subject(row.prompt) or row.prompt) for row in rows]
    name, recipe = _recipe(all_features)
    names = names_in([row.prompt for row in rows])
    gains = [row.gain for row in rows]
    examples = [
        Example(features=features, target=row.gain, label=_wrong(row), source="own", block=row.id)
        for row, features in zip(rows, all_features, strict=True)
    ]
    before = [prior.log_odds(features) for features in all_features]
    folds = [crc32(f"{seed}:{row.id}:{row.prompt}".encode()) % _FOLDS for row in rows]
    own = _held_out(examples, recipe, names, folds)
    chosen = {fold: _best(before, own, gains, [i for i, f in enumerate(folds) if f != fold]) for fold in sorted(set(folds))}
    after = [_mix(b, o, chosen[fold]) for b, o, fold in zip(before, own, folds, strict=True)]
    sampled = bootstrap({"prior": before, "own": after}, gains, times=1000 if len(rows) < 3000 else 300, seed=seed)
    differences = [a - b for a, b in zip(sampled["own"], sampled["prior"], strict=True)]
    sure = mean([1.0 if difference > 0 else 0.0 for difference in differences])
    blend = _best(before, own, gains, range(len(rows)))
    keep = force or (sure >= MIN_CONFIDENCE and blend > 0.0)
    return TrainingResult(
        model=_model(prior.model, fit_raw(examples, recipe, names), examples, before, blend or 0.15, own, provenance)
        if keep
        else None,
        labels=len(rows),
        blend=blend,
        prior_apgr=apgr(before, gains),
        apgr=apgr(after, gains),
        difference=interval(differences),
        confidence=sure,
        recipe=name,
    )


def _wrong(row: DatasetRow) -> float:
    return min(1.0, max(0.0, 1.0 - (row.weak or 0.0)))


def _recipe(all_features: Sequence[PromptFeatures]) -> tuple[str, Recipe]:
    """(name, recipe) of the shape of most questions; words count for more than in the shipped artefact."""
    n = len(all_features)
    shapes = {
        "choices": (mean([features.choices for features in all_features]), CHOICES_RECIPE, 0.4, 200.0),
        "quiz": (mean([features.quiz for features in all_features]), QUIZ_RECIPE, 0.4, 200.0),
        "story": (mean([features.story for features in all_features]), STORY_RECIPE, 1.0, 60.0),
    }
    name, (share, recipe, words, penalty) = max(shapes.items(), key=lambda shape: shape[1][0])
    if share < 0.5:
        name, recipe, words, penalty = "general", GENERAL_RECIPE, 0.6, 200.0
    min_count = max(4, min(12, n // 100))
    return name, msgspec.structs.replace(recipe, words=True, word_share=words, min_count=min_count, penalty=penalty)


def _held_out(examples: Sequence[Example], recipe: Recipe, names: frozenset[str], folds: Sequence[int]) -> list[float]:
    """Each question's score by a head fitted to the other folds, in standard deviations."""
    scores = [0.0] * len(examples)
    for fold in sorted(set(folds)):
        others = [example for example, other in zip(examples, folds, strict=True) if other != fold]
        raw = fit_raw(others, recipe, names)
        unit = deviation([raw.score(example.features) for example in others]) or 1.0
        for i, other in enumerate(folds):
            if other == fold:
                scores[i] = raw.score(examples[i].features) / unit
    return scores


def _mix(before: float, own: float, blend: float) -> float:
    return (1.0 - blend) * before + blend * own * OWN_HEAD_SCALE


OWN_HEAD_SCALE = 0.6
"""Log-odds of one standard deviation of the own head; about the spread of the shipped heads."""


def _best(before: Sequence[float], own: Sequence[float], gains: Sequence[float], questions: Sequence[int]) -> float:
    part = [gains[i] for i in questions]
    limit = len(gains) / (len(gains) + _DOUBT)

    def worth(blend: float) -> float:
        found = apgr([_mix(before[i], own[i], blend) for i in questions], part)
        return (found if found == found else 0.5) - _SHRINK * blend  # noqa: PLR0124 - no gap: nothing to choose by

    return max([blend for blend in _BLENDS if blend <= limit], key=worth)


def _model(
    prior: Model,
    raw: RawHead,
    examples: Sequence[Example],
    before: Sequence[float],
    blend: float,
    own: Sequence[float],
    provenance: Provenance,
) -> Model:
    """The blended artefact, calibrated to the labels; shares of traffic now refer to the labelled prompts."""
    unit = deviation([raw.score(example.features) for example in examples]) or 1.0
    mixed = [_mix(b, o, blend) for b, o in zip(before, own, strict=True)]
    slope, offset = logistic(mixed, [example.label for example in examples])
    slope = max(slope, 0.5)
    own_weight = slope * blend
    scale = OWN_HEAD_SCALE / unit
    head = Head(
        bias=round(offset / own_weight - scale * raw.mean_wording, 4),
        features={name: round(scale * weight, 4) for name, weight in raw.features.items()},
        centers={name: round(raw.centers[name], 4) for name in raw.features},
        words={word: short for word, weight in raw.words.items() if (short := round(scale * weight, 3))},
        exponent=raw.exponent,
        bound=40.0,
    )
    model = msgspec.structs.replace(
        prior,
        provenance=provenance,
        heads={**prior.heads, "own": head},
        prior_weight=round(slope * (1.0 - blend), 4),
        own_weight=round(own_weight, 4),
    )
    scorer = Scorer(model)
    return msgspec.structs.replace(
        model, percentiles=percentiles([sigmoid(scorer.log_odds(example.features)) for example in examples])
    )
