"""What importers of other gateways share."""

from __future__ import annotations

from datetime import date

import pytest

from octoroute.config.importers.foreign import ForeignModel, ForeignTable, ImportNotes, ProviderTables, dollars_per_million, tree_of
from octoroute.domain.endpoint import Tier


def test_what_is_taken_is_used_and_the_rest_is_reported():
    table = ForeignTable({"a": "x", "b": 2, "c": {"d": 1}, "e": [1], "f": True, "day": date(2024, 6, 1)}, "top")
    assert (table.text("a"), table.number("b", 1, 3), table.flag("f"), table.text("day")) == ("x", 2, True, "2024-06-01")
    inner = table.table("c")
    notes = ImportNotes()
    notes.lost(inner, {"d": "see elsewhere"})
    notes.lost(table)
    assert notes.lines == ["top.c.d: see elsewhere", "top.e: has no counterpart; it is left out"]


@pytest.mark.parametrize("value", ["many", 0, 9, True, None, [], {}, "nan", "1e999"])
def test_a_number_that_octoroute_would_refuse_is_reported_instead(value):
    table = ForeignTable({"n": value}, "")
    assert table.number("n", 1, 8) is None
    assert table.rest == {"n": value}


def test_rows_with_the_same_credentials_share_a_provider():
    providers = ProviderTables()
    first = {"kind": "openai", "base_url": "https://a", "api_key": "1"}
    assert [providers.name_of("Open AI", first), providers.name_of("Open AI", dict(first))] == ["open-ai", "open-ai"]
    assert providers.name_of("Open AI", {**first, "api_key": "2"}) == "open-ai-2"
    assert providers.name_of("\u6f22", first) == "provider"


def test_a_name_that_is_a_word_of_ours_is_changed_with_its_aliases():
    models = [ForeignModel(path="models[0]", name="Auto", provider="p"), ForeignModel(path="models[1]", name="m-7b", provider="p")]
    providers = ProviderTables()
    providers.name_of("p", {"base_url": "https://a"})
    found = tree_of(models, providers, ImportNotes(), {"aliases": {"x": "Auto", "y": "m-7b"}})
    assert found.tree["aliases"] == {"x": "Auto-model", "y": "m-7b"}
    assert found.tree["models"]["deep"] == [{"name": "Auto-model", "provider": "p", "model": "Auto"}]
    assert found.warnings[0] == "models[0]: Auto is a word of octoroute; the model is called Auto-model"


def test_a_name_belongs_to_one_tier():
    models = [
        ForeignModel(path="a", name="m", provider="p", tier=Tier.DEEP),
        ForeignModel(path="b", name="m", provider="p", model="m-1b"),
    ]
    providers = ProviderTables()
    providers.name_of("p", {})
    found = tree_of(models, providers, ImportNotes(), {})
    assert list(found.tree["models"]) == ["deep"]
    assert found.warnings == ("models: only the tier deep has models, so every request for auto goes there",)


def test_nothing_usable_is_an_error_that_says_why():
    notes = ImportNotes()
    notes.say("a", "left out")
    found = tree_of([], ProviderTables(), notes, {})
    assert found.problems == (("the file", "has no model that octoroute can use: a: left out"),)


@pytest.mark.parametrize(("token", "million"), [(1.5e-7, 0.15), (0.0000025, 2.5), (0, 0)])
def test_prices_are_exact(token, million):
    assert dollars_per_million(token) == million
