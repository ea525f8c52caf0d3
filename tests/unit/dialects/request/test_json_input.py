"""JSON from outside: faults of clients and of upstreams, and text that is not valid."""

from __future__ import annotations

import msgspec
import pytest

from octoroute.dialects.request.json_input import json_text, read_request, read_response, reject_deep_nesting, unread_fields
from octoroute.errors import BadRequest, BadUpstreamResponse


class Body(msgspec.Struct):
    name: str
    sizes: list[int] = []


DECODER = msgspec.json.Decoder(Body)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"name":7}', "name"),
        (b'{"name":"a","sizes":[1,"x"]}', "sizes[1]"),
        (b"{}", None),
        (b"[]", None),
        (b"{", None),
        (b"", None),
    ],
)
def test_a_wrong_request_names_the_field(body, param):
    with pytest.raises(BadRequest) as caught:
        read_request(DECODER, body)
    assert caught.value.param == param
    assert caught.value.message.startswith(param or "the request body")


@pytest.mark.parametrize("body", [b'{"name":[7]}', b"7", b"<html>", b"", b"[" * 100_000])
def test_a_wrong_response_is_the_upstreams_failure(body):
    with pytest.raises(BadUpstreamResponse, match="the upstream's stream does not follow its API format"):
        read_response(DECODER, body, "stream")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"name":"\xff"}', "\ufffd"),
        (b'{"name":"\\ud83d"}', "\ufffd"),
        (b'{"name":"\\ude00x"}', "\ufffdx"),
        (b'{"name":"\\ud83d\\ude00"}', "😀"),
        (b'{"name":"\\\\ud83d"}', "\\ud83d"),
    ],
)
def test_half_characters_are_replaced(body, name):
    assert read_request(DECODER, body).name == name
    assert read_response(DECODER, body, "response").name == name


def test_fields_that_are_not_read():
    body = b'{"name":"a","seed":1,"user":null,"flag":false,"more":{}}'
    assert unread_fields(body, frozenset({"name"}), unset=frozenset({b"null", b"false"})) == ("seed", "more")
    assert unread_fields(body, frozenset({"name", "seed"}), unset=frozenset()) == ("user", "flag", "more")


@pytest.mark.parametrize(
    ("value", "text"), [('{"a" : 1}', '{"a" : 1}'), ({"a": 1}, '{"a":1}'), ([1], "[1]"), (0, "0"), (None, ""), ("", "")]
)
def test_a_value_as_text(value, text):
    assert json_text(value) == text


def test_nesting_deeper_than_the_stack_is_a_bad_request():
    @reject_deep_nesting
    def descend(depth: int) -> int:
        return descend.__wrapped__(depth + 1)

    with pytest.raises(BadRequest, match="nested too deeply"):
        descend(0)
