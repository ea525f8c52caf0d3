from typing import Annotated, Literal

import pytest

from octoroute.config.describe import allowed, bare, bounds, kind_of, like, toml
from octoroute.config.schema.key import Names, fields
from octoroute.domain.endpoint import Secret, Tier
from octoroute.domain.option import Key, Table
from octoroute.domain.price import Price

NAMES = Names(kinds=("openai", "telex"))


class ExampleTable(Table, frozen=True, kw_only=True):
    flag: Annotated[bool, Key("")] = True
    size: Annotated[int, Key("", low=1, high=9)] = 5
    ratio: Annotated[float | None, Key("", above=0)] = None
    key: Annotated[Secret | None, Key("")] = None
    words: Annotated[tuple[str, ...], Key("")] = ()
    tier: Annotated[Tier, Key("")] = Tier.FAST
    tiers: Annotated[tuple[Tier, ...], Key("")] = ()
    kind: Annotated[str, Key("", names="kinds")] = "openai"
    mode: Annotated[Literal["on", "off"] | None, Key("")] = None
    price: Annotated[Price | None, Key("")] = None


@pytest.mark.parametrize(
    ("name", "kind", "among"),
    [
        ("flag", "boolean", ""),
        ("size", "integer", "from 1 to 9"),
        ("ratio", "number", "greater than 0"),
        ("key", "string", ""),
        ("words", "list", ""),
        ("tier", "string", "fast | balanced | deep"),
        ("tiers", "list", "fast | balanced | deep"),
        ("kind", "string", "openai | telex"),
        ("mode", "string", "on | off"),
        ("price", "table", ""),
    ],
)
def test_a_key_in_words(name, kind, among):
    (field,) = (field for field in fields(ExampleTable) if field.name == name)
    assert (kind_of(field), allowed(field, NAMES)) == (kind, among)


@pytest.mark.parametrize(
    ("key", "words", "integer", "number"),
    [
        (Key(""), "", "1", "1.0"),
        (Key("", low=5), "at least 5", "5", "5"),
        (Key("", low=5, high=9), "from 5 to 9", "5", "5"),
        (Key("", above=0, high=1e6), "greater than 0, at most 1000000", "1", "1.0"),
        (Key("", high=0.5), "at most 0.5", "0", "0.5"),
        (Key("", low=1, example="8192"), "at least 1", "8192", "8192"),
    ],
)
def test_a_range_in_words_and_a_number_inside_it(key, words, integer, number):
    assert (bounds(key), like(key, whole=True), like(key, whole=False)) == (words, integer, number)


def test_the_type_of_an_optional_key_is_bare():
    assert bare(int | None) is int
    assert bare(Literal["a"] | None) == Literal["a"]
    assert bare(tuple[int, ...]) == tuple[int, ...]


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (10.0, "10"), (0.25, "0.25"), ('a"b', r'"a\"b"'), ((1, "x"), '[1, "x"]'), ({}, "{}")]
)
def test_a_default_as_toml(value, text):
    assert toml(value) == text
