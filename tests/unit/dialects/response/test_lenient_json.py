"""A field of an unexpected type costs that field, not the response."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.response.lenient_json import read_leniently


class Inner(msgspec.Struct):
    name: str
    number: int | float | None = None


class Outer(msgspec.Struct):
    whole: int = 0
    text: str | None = None
    flag: bool = False
    items: list[Inner] | None = None
    either: str | list[Inner] | None = None
    anything: Any = None
    raw: msgspec.Raw = msgspec.Raw(b"")
    table: dict[str, Any] | None = None


DECODER = msgspec.json.Decoder(Outer)


def read(**value) -> Outer:
    return read_leniently(DECODER, json.dumps(value).encode())


@pytest.mark.parametrize(("value", "expected"), [("12", 12), (" 3 ", 3), ("4.0", 4), (5.0, 5), ("x", 0), (1.5, 0), (True, 0), ([], 0), ("9" * 30, 0)])  # fmt: skip
def test_whole_numbers(value, expected):
    assert read(whole=value).whole == expected


@pytest.mark.parametrize(("value", "expected"), [("a", "a"), (7, "7"), (1.5, "1.5"), (None, None), (True, None), ({}, None)])
def test_texts(value, expected):
    assert read(text=value).text == expected


@pytest.mark.parametrize(("value", "expected"), [("7", 7), ("1.5", 1.5), (2.5, 2.5), ("abc", None), ([], None)])
def test_counts(value, expected):
    (inner,) = read(items=[{"name": "n", "number": value}]).items or ()
    assert inner.number == expected


def test_one_object_stands_for_a_list_of_one():
    assert read(items={"name": "n"}).items == [Inner("n")]


def test_an_item_without_what_it_needs_is_left_out():
    assert read(items=[{"name": "a"}, {}, 7, None, {"name": []}]).items == [Inner("a")]


@pytest.mark.parametrize(("value", "expected"), [("t", "t"), ([{"name": "n"}], [Inner("n")]), (7, "7"), (None, None)])
def test_unions_prefer_the_value_s_own_type(value, expected):
    assert read(either=value).either == expected


def test_what_may_be_anything_stays_as_it_is():
    found = read(whole=[], anything={"a": [1]}, raw={"b": 2}, table={"c": 3})
    assert (found.anything, bytes(found.raw), found.table) == ({"a": [1]}, b'{"b":2}', {"c": 3})


@pytest.mark.parametrize("data", [b"7", b"[]", b"null", b'"x"', b"{", b""])
def test_another_value_is_refused(data):
    with pytest.raises(ValueError, match=r".+"):
        read_leniently(DECODER, data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "number", "x"]), inner, max_size=3),
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(["whole", "text", "flag", "items", "either", "anything"], json_values)))
def test_every_object_can_be_read_and_a_right_one_as_it_is(value):
    data = json.dumps(value).encode()
    found = read_leniently(DECODER, data)
    try:
        strict = DECODER.decode(data)
    except msgspec.ValidationError:
        return
    assert found == strict
