"""Recipes name features that exist, each with one sign."""

from __future__ import annotations

import pytest

from octoroute.routing.difficulty.features import CHOICES, NAMES
from octoroute.routing.training.recipe import CHOICES_RECIPE, GENERAL_RECIPE, QUIZ_RECIPE, STORY_RECIPE, _signs

RECIPES = {"general": GENERAL_RECIPE, "choices": CHOICES_RECIPE, "quiz": QUIZ_RECIPE, "story": STORY_RECIPE}


@pytest.mark.parametrize("name", RECIPES)
def test_every_feature_is_known_and_every_sign_is_one(name):
    assert set(RECIPES[name].signs) <= set(NAMES)
    assert set(RECIPES[name].signs.values()) <= {-1, 0, 1}


def test_only_prompts_with_choices_use_features_of_choices():
    used = {name: not set(CHOICES).isdisjoint(recipe.signs) for name, recipe in RECIPES.items()}
    assert used == {"general": False, "choices": True, "quiz": True, "story": False}


def test_a_misspelt_feature_is_an_error():
    with pytest.raises(ValueError, match="lenght"):
        _signs("lenght")
    assert _signs("length,\n  word   length", "greeting", "law") == {"length": 1, "word length": 1, "greeting": -1, "law": 0}
