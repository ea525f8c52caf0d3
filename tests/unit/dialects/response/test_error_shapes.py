"""Errors of any shape are found, with their words; what is no error is not taken for one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.response.error_shapes import is_failed_base, load_object, read_shape, reports_failure
from tests.support.error_shapes import NAMES, errors, shapes, shuffled


@pytest.mark.parametrize("name", NAMES)
@given(order=st.randoms(use_true_random=False))
def test_an_error_of_every_shape_is_found_with_its_words(name, order):
    value = load_object(json.dumps(shuffled(shapes("the words", "some_error", 500)[name], order)))
    assert value is not None
    assert reports_failure(value)
    assert read_shape(value).message == "the words"


@given(errors("maximum context length is 4096 tokens", "BadRequestError", 400))
def test_what_else_an_object_holds_does_not_hide_its_error(error):
    value = load_object(json.dumps(error))
    assert value is not None
    assert reports_failure(value)
    assert read_shape(value).message == "maximum context length is 4096 tokens"


@pytest.mark.parametrize(
    "value",
    [
        {"id": "x", "object": "chat.completion.chunk", "choices": []},
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]},
        {"error": None},
        {"error": "", "code": 0, "message": "ok"},
        {"code": 200, "msg": "success"},
        {"base_resp": {"status_code": 0, "status_msg": "success"}},
        {"type": "ping"},
        {"type": "status", "message": "loading the model"},
        {"status": "processing", "message": "in the queue"},
        {"object": "progress", "message": "12 %"},
        {"usage": {"prompt_tokens": 3}},
        {},
    ],
)
def test_an_unknown_event_is_no_failure(value):
    assert not reports_failure(value)


@pytest.mark.parametrize(
    ("value", "type", "code"),
    [
        ({"error": {"message": "m", "type": "t", "code": "c"}}, "t", "c"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, "overloaded_error", ""),
        ({"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}, "UNAVAILABLE", "503"),
        ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, "BadRequestError", "400"),
        ({"base_resp": {"status_code": 1008, "status_msg": "m"}}, "insufficient_balance", "1008"),
        ({"title": "t", "status": 429, "detail": "m"}, "", "429"),
        ({"error": {"message": "m"}, "code": 429}, "", "429"),
    ],
)
def test_type_and_code_stand_in_many_places(value, type, code):
    shape = read_shape(value)
    assert (shape.message, shape.type, shape.code) == ("m", type, code)


def test_details_and_the_parameter_are_kept():
    shape = read_shape({"error": {"message": "m", "param": "tools", "details": [{"retryDelay": "3s"}]}})
    assert (shape.param, shape.details) == ("tools", ({"retryDelay": "3s"},))


def test_the_cause_within_the_cause_counts():
    raw = json.dumps({"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}})
    found = read_shape({"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw}}})
    assert (found.message, found.code) == ("prompt is too long: 9 tokens > 8 maximum", "400")


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, {"status_code": 0}, {"status_code": None}])
def test_a_good_base_response(value):
    assert not is_failed_base(value)


@pytest.mark.parametrize("data", [b"", b"<html>", b"7", b"[]", b"[7]", b"[" * 5000, b"\xff"])
def test_what_holds_no_object(data):
    assert load_object(data) is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=4), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["error", "detail", "message", "code", "type", "base_resp", "status_code", "metadata", "raw", "details", "object", "x"]), inner, max_size=4)))  # fmt: skip
def test_no_value_breaks_the_reading(value):
    if isinstance(value, dict):
        reports_failure(value)
        shape = read_shape(value)
        assert all(isinstance(part, str) for part in (shape.message, shape.type, shape.code))
