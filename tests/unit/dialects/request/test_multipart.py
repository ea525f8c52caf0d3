"""Multipart bodies: the fields are found, the model is replaced, and nothing else changes."""

from __future__ import annotations

import email.parser
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.request.multipart import MAX_PARTS, MultipartBody, boundary_of
from octoroute.errors import BadRequest


def part(name: str, value: bytes, more: str = "") -> bytes:
    return f'--b0\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data;charset=utf-8; BOUNDARY="a b;c"', b"a b;c"),
        ("multipart/form-data;boundary=----WebKitFormBoundaryx0", b"----WebKitFormBoundaryx0"),
        ("application/json", None),
        ("multipart/mixed; boundary=abc", None),
        ("", None),
    ],
)
def test_the_boundary(content_type, boundary):
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize("rest", ["", ";", "; boundary=", '; boundary=""', "; boundary=" + "x" * 300])
def test_without_a_boundary_nothing_can_be_read(rest):
    with pytest.raises(BadRequest, match="boundary"):
        boundary_of("multipart/form-data" + rest)


def test_names_are_read_with_any_spelling_of_the_head():
    body = (
        b'--b0\r\nContent-Type: text/plain\r\ncontent-disposition:form-data ; filename="; name=model" ; NAME = model \r\n\r\nm\r\n'
        b'--b0 \t\r\nContent-Disposition: form-data; name="a\\"b"\r\n\r\n\r\n--b0--'
    )
    parsed = MultipartBody.parse(body, b"b0")
    assert [one.name for one in parsed.parts] == ["model", 'a\\"b']
    assert (parsed.text("model"), parsed.text('a\\"b'), parsed.text("none")) == ("m", "", None)


def test_a_field_that_is_read_is_given_once():
    with pytest.raises(BadRequest, match="2 times"):
        MultipartBody.parse(part("model", b"a") * 2 + b"--b0--", b"b0").text("model")
    assert MultipartBody.parse(part("x", b"a") * 2 + b"--b0--", b"b0").text("model") is None


VALUES = st.binary(max_size=60).filter(lambda value: b"--b0" not in value)


@given(
    st.lists(VALUES, max_size=4),
    st.from_regex(rb"[a-z0-9]{1,20}", fullmatch=True),
    st.lists(VALUES, max_size=3),
    st.binary(max_size=9),
)
def test_only_the_value_of_the_model_changes(before, model, after, epilogue):
    head = b"".join(part("f", value, '; filename="x"') for value in before)
    tail = b"".join(part("g", value) for value in after) + b"--b0--" + epilogue
    body = MultipartBody.parse(head + part("model", model) + tail, b"b0")
    assert body.text("model") == model.decode()
    assert body.with_model("up/stream:1") == head + part("model", b"up/stream:1") + tail


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_a_model_that_is_added_comes_first_and_other_readers_find_it(values):
    raw = b"".join(part("f", value) for value in values) + b"--b0--\r\n"
    made = MultipartBody.parse(raw, b"b0").with_model("m1")
    assert made.endswith(raw)
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        b'Content-Type: multipart/form-data; boundary="b0"\r\n\r\n' + made
    )
    first = next(message.iter_parts())
    assert (first.get_param("name", header="content-disposition"), first.get_content().strip()) == ("model", "m1")


@given(st.binary(max_size=200), st.booleans())
def test_anything_may_arrive(data, prefixed):
    try:
        body = MultipartBody.parse(b"--b0\r\n" + data if prefixed else data, b"b0")
    except BadRequest as error:
        assert error.message
    else:
        assert body.raw.endswith(data)


def test_many_parts_and_large_ones_take_linear_time():
    with pytest.raises(BadRequest, match="parts"):
        MultipartBody.parse(part("x", b"") * (MAX_PARTS + 1) + b"--b0--", b"b0")
    hostile = [b"\r\n--b" * 4_000_000, b"--b0\r\n" * 3_000_000, b"\r\n" * 8_000_000, part("x", b"\r\n--b" * 4_000_000)]
    for body in hostile:
        with pytest.raises(BadRequest):
            MultipartBody.parse(body, b"b0")


def test_a_model_is_added_before_the_first_part_and_not_inside_of_the_preamble():
    """The preamble is not read, so that a model in it would be none."""
    body = b"see --b0 below\r\n" + part("image", b"x") + b"--b0--"
    changed = MultipartBody.parse(body, b"b0").with_model("m")
    assert MultipartBody.parse(changed, b"b0").text("model") == "m"
    assert changed.startswith(b"see --b0 below\r\n--b0\r\n") and changed.endswith(part("image", b"x") + b"--b0--")
