"""Limits of Gemini models by the version in their name."""

from __future__ import annotations

import pytest

from octoroute.dialects.gemini.model_limits import model_limits


@pytest.mark.parametrize(
    ("model", "json_schemas", "newest", "budgets", "min_budget"),
    [
        ("gemini-2.0-flash", False, False, False, 0),
        ("models/gemini-2.5-flash", True, False, True, 0),
        ("gemini-2.5-pro", True, False, True, 128),
        ("gemini-3-pro-preview", True, True, True, 128),
        ("gemini-3.1-flash", True, True, True, 0),
        ("some-model", True, False, True, 0),
    ],
)
def test_limits(model, json_schemas, newest, budgets, min_budget):
    limits = model_limits(model)
    assert (limits.json_schemas, limits.budgets, limits.min_budget) == (json_schemas, budgets, min_budget)
    assert bool(limits.levels) is limits.signatures is limits.json_with_tools is newest


@pytest.mark.parametrize(
    ("model", "levels"),
    [
        ("gemini-3-pro-preview", ("low", "high")),
        ("gemini-3.1-pro", ("low", "medium", "high")),
        ("google/gemini-3-flash", ("minimal", "low", "medium", "high")),
    ],
)
def test_levels_of_thinking(model, levels):
    assert model_limits(model).levels == levels


def test_what_small_and_drawing_models_lack():
    gemma = model_limits("gemma-3-27b-it")
    assert not (gemma.system or gemma.tools or gemma.json or gemma.budgets)
    drawing = model_limits("gemini-2.5-flash-image")
    assert drawing.images
    assert not (drawing.tools or drawing.json or drawing.budgets)
    assert model_limits("gemini-2.5-flash-lite").budget_range == (512, 24_576)
    assert (model_limits("gemini-2.0-flash").output_limit, model_limits("gemini-3-pro").output_limit) == (8192, 65_536)
