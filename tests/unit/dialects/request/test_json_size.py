"""Bodies with too many values are refused before they are decoded; large texts are not, whatever is in them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.request import json_size
from octoroute.dialects.request.json_size import MAX_BACKSLASHES, MAX_FIELDS, MAX_VALUES, check_size
from octoroute.errors import BadRequest

MANY = MAX_VALUES + 10
SIZE = 700_000


@pytest.mark.parametrize(
    "text",
    [b"a, ", b"\\n,", b'\\",', b"\\\\,", b"\\\\\\\\,", b"[{,}],", "漢,".encode(), b'\\\\\\",', b"\\u00e9,,"],
)
@pytest.mark.parametrize("shift", range(3))
def test_commas_in_a_text_are_no_values(text, shift):
    body = b" " * shift + b'{"model":"m","messages":[{"role":"user","content":"' + text * SIZE + b'"}]}'
    json.loads(body)
    check_size(body)


@pytest.mark.parametrize("value", [b"0", b"[]", b'""', b'{"a":0}', b'"\\""', b'"\\\\"', b'"a, b"'])
def test_too_many_values_are_refused(value):
    with pytest.raises(BadRequest, match="more than 320,000 values"):
        check_size(b'{"model":"m","input":[' + b",".join([value] * MANY) + b"]}")


def test_the_tokens_of_texts_to_embed_are_not_too_many():
    check_size(b'{"model":"m","input":[' + b",".join([b"12345"] * 300_000) + b"]}")


@pytest.mark.parametrize("value", [b"0", b'"a, b"', b'{"a":[0,0]}', b'"}"'])
def test_too_many_fields_at_the_top_are_refused(value):
    fields = b",".join(b'"field %d":%b' % (at, value) for at in range(40_000))
    with pytest.raises(BadRequest, match="more than 1,000 fields at its top"):
        check_size(b"{" + fields + b"}")


def test_fields_further_down_may_be_many():
    fields = b",".join(b'"field %d":0' % at for at in range(40_000))
    check_size(b'{"model":"m","metadata":{' + fields + b'},"a":1}')


@pytest.mark.parametrize(
    "body", [b"", b"\\" * 400_000, b'"' * 400_000, b"}" * 400_000 + b"," * 30_000, b"\xff," * 200_000, b'"\\' * 200_000]
)
def test_what_is_no_json_is_left_to_the_decoder(body):
    check_size(body)


texts = st.text(st.sampled_from('a,"\\{}[]\n漢'), max_size=12)
values = st.recursive(
    st.integers(0, 9) | texts, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
)


def commas(value) -> int:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return max(0, len(inner) - 1) + sum(map(commas, inner))


@given(values, st.integers(2, 9))
def test_any_json_cut_into_slices_of_any_size_has_as_many_values(value, size):
    """The slices are made small, so that they cut at every place."""
    whole = json_size._SLICE_BYTES
    json_size._SLICE_BYTES = size
    try:
        pieces = b"".join(json_size._outside_of_texts(json.dumps(value, ensure_ascii=False).encode()))
    finally:
        json_size._SLICE_BYTES = whole
    assert pieces.count(b",") == commas(value)


def test_the_number_of_fields_is_the_decoders_limit_too():
    from octoroute.dialects.request.body import RequestBody

    body = json.dumps({f"k{at}": 0 for at in range(MAX_FIELDS + 1)}).encode()
    with pytest.raises(BadRequest, match="at most 1,000 are read"):
        RequestBody.parse(body)


@pytest.mark.parametrize("escape", [rb"\"", rb"\\\\", rb"\u4e2d", rb"\n"])
def test_escapes_are_counted_however_they_are_written(escape):
    per = escape.count(b"\\")
    check_size(b'{"a":"' + escape * (MAX_BACKSLASHES // per) + b'"}')
    with pytest.raises(BadRequest, match="backslashes"):
        check_size(b'{"a":"' + escape * (MAX_BACKSLASHES // per + 1) + b'"}')
