"""Which alias a name has."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.routing.aliases import MAX_NAME_CHARS, Alias, Aliases, is_glob, loops

SOME = Aliases(
    {
        "gpt-4o": "smart",
        "gpt-*": "auto",
        "gpt-*-mini": "fast",
        "gpt-?": "deep",
        "smart": "best",
        "best": "qwen3-8b",
        "*": "balanced",
    }
)


@pytest.mark.parametrize(
    ("model", "alias"),
    [
        ("gpt-4o", Alias("gpt-4o", "qwen3-8b")),
        ("gpt-4o-mini", Alias("gpt-*-mini", "fast")),
        ("gpt-4o-mini-2024", Alias("gpt-*", "auto")),
        ("gpt-5", Alias("gpt-*", "auto")),
        ("GPT-4o", Alias("*", "balanced")),
        ("smart", Alias("smart", "qwen3-8b")),
        ("", Alias("*", "balanced")),
    ],
)
def test_an_exact_name_goes_before_a_glob_and_a_longer_glob_before_a_shorter_one(model, alias):
    assert SOME.find(model) == alias


def test_the_first_of_equally_long_globs_counts():
    assert Aliases({"a-?": "fast", "a-*": "deep"}).find("a-1") == Alias("a-?", "fast")
    assert Aliases({"a-*": "deep", "a-?": "fast"}).find("a-1") == Alias("a-*", "deep")


def test_no_alias_is_found_for_what_no_name_fits():
    assert Aliases({"gpt-4o": "auto", "o?": "deep"}).find("gpt-4") is None
    assert not Aliases()
    assert SOME.find("x" * (MAX_NAME_CHARS + 1)) is None


def test_only_exact_names_are_listed():
    assert SOME.names == ["gpt-4o", "smart", "best"]
    assert [is_glob(name) for name in ("a", "a*", "a?", "[a]")] == [False, True, True, False]


def test_loops_are_found_with_the_way():
    assert dict(loops({"a": "b", "b": "c", "c": "a", "d": "a", "e": "e", "f": "auto"})) == {
        "a": ["a", "b", "c", "a"],
        "b": ["b", "c", "a", "b"],
        "c": ["c", "a", "b", "c"],
        "e": ["e", "e"],
    }


PARTS = st.text("ab*?.\n", max_size=8)


@given(PARTS, st.text("ab.\n", max_size=12))
def test_globs_are_those_of_shells(glob, name):
    if not is_glob(glob):
        return
    found = Aliases({glob: "auto"}).find(name)
    assert (found is not None) == fnmatch.fnmatchcase(name, glob)


def test_many_stars_take_linear_time():
    assert Aliases({"*a" * 100 + "b": "auto"}).find("a" * MAX_NAME_CHARS) is None
