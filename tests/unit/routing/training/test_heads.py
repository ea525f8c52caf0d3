"""Fitting a head: signs, words, names, calibration."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from octoroute.routing.difficulty.features import NAMES, extract_features
from octoroute.routing.difficulty.model import sigmoid
from octoroute.routing.training.heads import Example, deviation, fit_head, fit_raw, names_in
from octoroute.routing.training.recipe import CHOICES_RECIPE, GENERAL_RECIPE
from tests.unit.routing.training.rows import choices


def examples_of(rows):
    return [
        Example(features=extract_features(row.prompt), target=row.gain, label=1.0 - row.weak, source=row.set, block=row.id)
        for row in rows
    ]


EXAMPLES = examples_of(choices(500))


def test_names_are_words_written_with_a_capital_inside_sentences():
    assert names_in(["then Carla met Omar", "and carla saw the bank", "when Carla left"]) == {"carla", "omar"}


def test_weights_keep_the_signs_of_the_recipe():
    for recipe in (CHOICES_RECIPE, GENERAL_RECIPE):
        for name, weight in fit_raw(EXAMPLES, recipe, frozenset()).features.items():
            assert weight * recipe.signs[name] >= 0.0


def test_a_word_that_tells_gets_weight_and_a_name_never_does():
    raw = fit_raw(EXAMPLES, CHOICES_RECIPE, frozenset())
    assert raw.words["lichen"] > 0.0 > raw.words["kitchen"]
    assert "lichen" not in fit_raw(EXAMPLES, CHOICES_RECIPE, frozenset({"lichen"})).words


def test_a_rare_word_gets_no_weight():
    rare = msgspec.structs.replace(CHOICES_RECIPE, min_count=400)
    words = fit_raw(EXAMPLES, rare, frozenset()).words
    assert "which" in words
    assert "lichen" not in words


def test_what_file_a_question_comes_from_is_not_learned():
    """A constant added to the targets of one source changes nothing."""
    rng = Random(3)
    two = [msgspec.structs.replace(example, source=rng.choice("ab")) for example in EXAMPLES]
    shifted = [msgspec.structs.replace(e, target=e.target + (5.0 if e.source == "a" else 0.0)) for e in two]
    one, other = (fit_raw(examples, CHOICES_RECIPE, frozenset()) for examples in (two, shifted))
    assert one.features == pytest.approx(other.features, abs=1e-9)


def test_the_chance_is_calibrated():
    head = fit_head(EXAMPLES, CHOICES_RECIPE)
    fresh = examples_of(choices(400, seed=8))
    mean_label = sum(example.label for example in fresh) / len(fresh)
    log_odds = []
    for example in fresh:
        values = dict(zip(head.features, (example.features.values[at] for at in _places(head)), strict=True))
        total = head.bias + sum(weight * (values[name] - head.centers[name]) for name, weight in head.features.items())
        worded = sum(head.words.get(word, 0.0) for word in example.features.words)
        log_odds.append(total + worded / (len(example.features.words) + 8.0) ** head.exponent)
    assert sum(map(sigmoid, log_odds)) / len(fresh) == pytest.approx(mean_label, abs=0.06)


def _places(head):
    return [NAMES.index(name) for name in head.features]


def test_deviation_is_that_of_the_population():
    assert deviation([1.0, 3.0]) == 1.0
    assert deviation([4.0] * 5) == 0.0
