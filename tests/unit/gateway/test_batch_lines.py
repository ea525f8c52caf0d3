"""Lines of a batch: what is a request, what is none and why, and what a result looks like."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.gateway.batch_lines import (
    BatchLine,
    InputLines,
    InvalidLine,
    LineAnswer,
    expired_line,
    read_line,
    result_line,
)
from tests.support.jobs import line

CHAT = "/v1/chat/completions"


@given(st.lists(st.binary(max_size=9)), st.integers(1, 7))
def test_pieces_of_any_size_give_the_same_lines(lines, size):
    data = b"\n".join(lines)
    expected = [(number, text.strip()) for number, text in enumerate(data.split(b"\n"), 1) if text.strip()]
    splitter = InputLines(1000)
    found = [one for at in range(0, len(data), size) for one in splitter.feed(data[at : at + size])]
    assert [*found, *splitter.end()] == expected


def test_a_line_that_is_too_long_is_refused_before_it_is_held():
    splitter = InputLines(100)
    with pytest.raises(InvalidLine) as caught:
        for _ in range(20):
            list(splitter.feed(b"x" * 10))
    assert (caught.value.error.code, caught.value.error.line) == ("line_too_long", 1)


def test_the_body_stays_as_it_was_written():
    given = b'\xef\xbb\xbf{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model":"m",  "x": 1.50}}'
    assert read_line(1, given, CHAT) == BatchLine(number=1, custom_id="a", body=b'{"model":"m",  "x": 1.50}')


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"custom_id": None}, "missing_required_parameter", "custom_id"),
        ({"custom_id": 7}, "invalid_custom_id", "custom_id"),
        ({"custom_id": ""}, "invalid_custom_id", "custom_id"),
        ({"custom_id": "x" * 513}, "invalid_custom_id", "custom_id"),
        ({"method": "GET"}, "invalid_method", "method"),
        ({"url": "/v1/embeddings"}, "mismatched_endpoint", "url"),
        ({"url": ["/v1/chat/completions"]}, "mismatched_endpoint", "url"),
        ({"body": []}, "invalid_request", "body"),
        ({"body": "text"}, "invalid_request", "body"),
        ({"body": {}}, "missing_required_parameter", "body.model"),
        ({"body": {"model": 3}}, "missing_required_parameter", "body.model"),
        ({"body": {"model": "m", "stream": True}}, "invalid_request", "body.stream"),
        ({"body": {"model": "m", "stream": 1}}, "invalid_request", "body.stream"),
    ],
)
def test_a_line_that_is_no_request_says_why(change, code, param):
    with pytest.raises(InvalidLine) as caught:
        read_line(7, json.dumps({**line(1), **change}).encode(), CHAT)
    assert (caught.value.error.code, caught.value.error.param, caught.value.error.line) == (code, param, 7)


@pytest.mark.parametrize("data", [b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"body": \xff}', b"{} {}"])
def test_a_line_that_is_no_object_says_so(data):
    with pytest.raises(InvalidLine) as caught:
        read_line(2, data, CHAT)
    assert caught.value.error.code == "invalid_json_line"


def test_a_body_may_say_that_it_is_no_stream():
    assert read_line(1, json.dumps(line(1, stream=False)).encode(), CHAT).custom_id == "r1"


def test_results_are_one_line_each():
    asked = BatchLine(number=3, custom_id="r\n3", body=b"{}")
    result = result_line("batch_ab", asked, LineAnswer(status=200, body=b'{\r\n  "a": "b\\n"\n}'))
    assert result.count(b"\n") == 1
    assert json.loads(result) == {
        "id": "batch_req_ab_3",
        "custom_id": "r\n3",
        "response": {"status_code": 200, "request_id": "batch_req_ab_3", "body": {"a": "b\n"}},
        "error": None,
    }
    expired = json.loads(expired_line("batch_ab", asked))
    assert (expired["response"], expired["error"]["code"]) == (None, "batch_expired")
