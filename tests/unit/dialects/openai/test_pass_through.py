"""What is read of a request that is passed on, and of its response."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.pass_through import PASSED, PassThroughInbound, read_passed_usage
from octoroute.domain.endpoint import PASSED_TIERS
from octoroute.domain.outcome import Usage
from octoroute.errors import BadRequest

INBOUND = {passed.api: PassThroughInbound(lambda: 0.0, passed) for passed in PASSED}


def read(api: str, body: object, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return INBOUND[api].read(raw, request_id="r", headers=headers or {})


def test_every_interface_has_a_tier():
    assert set(INBOUND) == set(PASSED_TIERS)


@pytest.mark.parametrize("raw", [b"{}", b' {\n "input": "x" }', b'{"octoroute": {}, "input": "x"}', b'{"octoroute": {}}'])
def test_a_model_that_is_missing_is_put_first(raw):
    request = read("moderations", raw)
    assert request.model == ""
    made = INBOUND["moderations"].with_model(request, 'a"b')
    expected = json.loads(raw)
    expected.pop("octoroute", None)
    assert json.loads(made) == {"model": 'a"b', **expected}


@pytest.mark.parametrize("model", [5, ["a"], {"a": 1}, True])
def test_a_model_that_is_no_text_is_named(model):
    with pytest.raises(BadRequest, match=r"^model"):
        read("moderations", {"model": model})


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({"input": "x" * 400}, 100),
        ({"query": "x" * 40, "documents": ["y" * 40, "z" * 40]}, 30),
        ({"documents": [{"text": "x" * 400}]}, 0),
        ({"input": 5}, 0),
        ({"prompt": None}, 0),
        ({}, 0),
    ],
)
def test_tokens_are_estimated_where_text_is(fields, tokens):
    facts = read("rerank", {"model": "m", **fields}).facts
    assert (facts.tokens, facts.context_tokens) == (tokens, 0)


def test_a_form_keeps_its_content_type_and_json_has_none():
    content_type = "multipart/form-data; boundary=b"
    body = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--b--'
    request = read("images/edits", body, {"content-type": content_type})
    assert (request.model, request.content_type, request.stream) == ("m", content_type, False)
    assert read("images/edits", {"model": "m"}, {"content-type": "application/json"}).content_type is None


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}}, Usage(input_tokens=3, output_tokens=4)),
        ({"usage": {"prompt_tokens": 3, "total_tokens": 3}}, Usage(input_tokens=3, output_tokens=0)),
        ({"usage": {"total_tokens": 9}}, Usage(input_tokens=9, output_tokens=0)),
        ({"usage": {"input_tokens": -3, "output_tokens": 1}}, Usage(input_tokens=0, output_tokens=1)),
        ({"usage": {"type": "duration", "seconds": 3}}, None),
        ({"usage": "many"}, None),
        ({"usage": None}, None),
        ([1], None),
        ({}, None),
    ],
)
def test_usage_is_read_where_it_is_counted_in_tokens(body, usage):
    assert read_passed_usage(json.dumps(body).encode()) == usage
    assert read_passed_usage(b"{") is None


def test_no_thinking_is_taken_out_of_a_request_that_has_none():
    request = read("images/edits", {"prompt": "x"})
    assert INBOUND["images/edits"].strip_signed_thinking(request) is request


def test_image_and_audio_tokens_of_passed_responses_are_counted_apart():
    image = read_passed_usage(b'{"usage":{"input_tokens":50,"output_tokens":4000,"input_tokens_details":{"image_tokens":30}}}')
    assert image is not None
    assert (image.input_tokens, image.image_input_tokens, image.output_tokens) == (50, 30, 4000)
    audio = read_passed_usage(b'{"usage":{"input_tokens":90,"output_tokens":7,"input_token_details":{"audio_tokens":80}}}')
    assert audio is not None
    assert audio.audio_input_tokens == 80
