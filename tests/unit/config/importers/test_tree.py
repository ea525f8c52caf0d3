import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.config.importers.tree import ImportModel, ImportSource, models, rank
from octoroute.domain.endpoint import CHAT_TIERS, Tier

WORDS = st.sampled_from(["a", "b", "auto", "a@fast", "größe/1 x", "deep"])
LISTS = st.dictionaries(st.sampled_from(CHAT_TIERS), st.lists(WORDS, max_size=4))


def source(provider: str, **names: list[str]) -> ImportSource:
    return ImportSource(
        provider=provider, models={Tier(tier): [ImportModel(n, n) for n in listed] for tier, listed in names.items()}
    )


def test_a_model_of_several_tiers_keeps_its_name_in_the_biggest():
    tables = models([source("p", deep=["m"], fast=["m"])])
    assert list(tables) == ["fast", "deep"]
    assert tables["deep"] == [{"name": "m", "provider": "p", "id": "p/m", "priority": 1}]
    assert tables["fast"] == [{"name": "m@fast", "model": "m", "provider": "p", "id": "p/m@fast", "priority": 1}]


def test_replicas_of_several_providers_share_a_name_and_repeated_names_count_once():
    tables = models([source("p", fast=["m", "n", "m"]), source("q", fast=["m"])])
    assert [(row["name"], row["provider"]) for row in tables["fast"]] == [("m", "p"), ("n", "p"), ("m", "q")]


def test_a_reserved_word_gets_a_suffix_and_a_reference_gets_no_id():
    tables = models([ImportSource(provider="p", models={Tier.FAST: [ImportModel("auto", "auto"), ImportModel("${M}", "a$b")]})])
    assert [(row["name"], row.get("model"), row.get("id")) for row in tables["fast"]] == [
        ("auto@fast", "auto", "p/auto@fast"),
        ("${M}", None, None),
    ]


@given(st.lists(st.tuples(st.sampled_from("pq"), LISTS), max_size=3))
def test_a_name_belongs_to_one_tier_and_an_id_to_one_endpoint(listed):
    sources = [
        ImportSource(provider=provider, models={tier: [ImportModel(n, n) for n in names] for tier, names in by_tier.items()})
        for provider, by_tier in listed
    ]
    tables = models(sources)
    tiers: dict[object, set[str]] = {}
    for tier, rows in tables.items():
        for row in rows:
            tiers.setdefault(row["name"], set()).add(tier)
    assert all(len(found) == 1 for found in tiers.values())
    ids = [row["id"] for rows in tables.values() for row in rows if "id" in row]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("given_", "ranks"), [([1, 2, 3], [3, 2, 1]), ([5, 5, -1], [1, 1, 2]), ([], []), ([7], [1])])
def test_smaller_is_first_becomes_higher_is_first(given_, ranks):
    assert rank(given_) == ranks
