"""The list of models in Google's format."""

from __future__ import annotations

import pytest

from octoroute.dialects.gemini.models import GeminiModels, describe, list_models
from octoroute.dialects.local_routes import ModelCard
from octoroute.errors import BadRequest

CARDS = [ModelCard(f"m{number}", "user") for number in range(5)]


def names(page):
    return [model["name"] for model in page["models"]]


def test_pages_follow_each_other():
    first = list_models(CARDS, {"pageSize": "2"})
    assert names(first) == ["models/m0", "models/m1"]
    second = list_models(CARDS, {"pageSize": "2", "pageToken": first["nextPageToken"]})
    assert names(second) == ["models/m2", "models/m3"]
    last = list_models(CARDS, {"pageSize": "2", "pageToken": second["nextPageToken"]})
    assert names(last) == ["models/m4"] and "nextPageToken" not in last
    assert len(names(list_models(CARDS, {}))) == 5


@pytest.mark.parametrize("query", [{"pageSize": "x"}, {"pageToken": "-1"}, {"pageToken": "9" * 50}])
def test_a_query_that_is_none(query):
    with pytest.raises(BadRequest):
        list_models(CARDS, query)


def test_limits_are_told_where_they_are_known():
    assert "inputTokenLimit" not in describe(CARDS[0])
    told = describe(ModelCard("m", "user", context_window=1000, max_output_tokens=50))
    assert (told["inputTokenLimit"], told["outputTokenLimit"]) == (1000, 50)
    assert describe(ModelCard("e", "user", "embeddings"))["supportedGenerationMethods"] == ["embedContent", "batchEmbedContents"]


def test_the_catalog_has_no_names_for_other_clients():
    assert names(GeminiModels().listing(CARDS[:1], ["x"], {})) == ["models/m0"]
    assert GeminiModels().entry(CARDS[0]) == describe(CARDS[0])
