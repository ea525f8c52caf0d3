"""The text for a custom tool, out of the JSON arguments that stream."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.dialects.responses.custom_input import CustomInput
from tests.support.chunks import cut

places = st.lists(st.integers(0, 1000))
spaces = st.text(" \n\t", max_size=3)


def read(*pieces: str) -> str:
    reader = CustomInput()
    return "".join([*(reader.feed(piece) for piece in pieces), reader.end()])


@settings(max_examples=300)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans(), places, st.tuples(spaces, spaces, spaces, spaces))
def test_any_text_arrives_byte_for_byte(text, ensure_ascii, cuts, blank):
    value = json.dumps(text, ensure_ascii=ensure_ascii)
    arguments = f'{blank[0]}{{{blank[1]}"input"{blank[2]}:{blank[3]}{value}}}'
    assert read(*cut(arguments, cuts)) == text


@settings(max_examples=200)
@given(st.text('\\"u0dD8fn/{}: input', max_size=60), places)
def test_what_is_no_json_reads_the_same_however_it_is_cut(text, cuts):
    arguments = '{"input":"' + text
    assert read(*cut(arguments, cuts)) == read(arguments)


def test_text_is_returned_as_soon_as_it_is_complete():
    reader = CustomInput()
    fed = [reader.feed(piece) for piece in ('{"in', 'put":', '"a', "b\\", "nc\\u00", 'e9\\ud83d"'[:8], "\\ude00", '!"', "}")]
    assert fed == ["", "", "a", "b", "\nc", "é", "\U0001f600", "!", ""]
    assert reader.end() == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", ""),
        ("{}", ""),
        ('{"input": null}', ""),
        ('{"input": {"a": 1}}', '{"a":1}'),
        ('{"reason": "' + "x" * 80 + '", "input": "late"}', "late"),
        ('{"patch": "the only one"}', "the only one"),
        ('{"a": "x", "b": "y"}', '{"a": "x", "b": "y"}'),
        ('"a bare string"', "a bare string"),
        ("*** Begin Patch\n+no JSON at all", "*** Begin Patch\n+no JSON at all"),
        ('{"\\u0069nput": "an escaped name"}', "an escaped name"),
        ('{"input":"raw\nline"}', "raw\nline"),
        ('{"input":"\\d+"}', "\\d+"),
        ('{"input":"half \\ud83d"}', "half \ufffd"),
        ('{"input":"\\ud83d\\ud83d\\ude00"}', "\ufffd\U0001f600"),
        ('{"input":"\\ude00"}', "\ufffd"),
        ('{"input":"the output limit', "the output limit"),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_other_shapes_are_read_as_well_as_they_can_be(arguments, text):
    assert read(arguments) == text
    assert read(*arguments) == text
