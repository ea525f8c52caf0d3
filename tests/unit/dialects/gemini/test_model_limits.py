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
    assert limits.levels is limits.signatures is limits.json_with_tools is newest
