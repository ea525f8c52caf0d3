"""Signatures of the gateway's own: they survive base64 and never reach Google."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.gemini.marks import CALL, PREFIX, decode_mark, encode_mark, without_marks
from octoroute.dialects.gemini.signatures import SKIP_SIGNATURE
from octoroute.dialects.request.body import RequestBody


@given(st.sampled_from(["anthropic", "openai", "redacted", CALL]), st.text(st.characters(codec="ascii"), min_size=1))
def test_a_mark_is_base64_and_comes_back(origin, payload):
    mark = encode_mark("", origin, payload)
    assert mark.startswith(PREFIX)
    assert decode_mark(mark) == (origin, payload)
    resent = base64.urlsafe_b64encode(base64.b64decode(mark)).decode()
    assert decode_mark(resent) == decode_mark(resent.rstrip("=")) == (origin, payload)


@pytest.mark.parametrize("signature", ["", "CiQB", SKIP_SIGNATURE, PREFIX, PREFIX + "!!", PREFIX + "\u00e4"])
def test_other_signatures_are_none(signature):
    assert decode_mark(signature) is None


def sent(contents, model):
    body = RequestBody.parse(json.dumps({"contents": contents, "x": 1.50}).encode())
    changes = without_marks(body, model)
    return json.loads(body.with_values(changes))["contents"] if changes else None


def test_a_request_without_marks_is_not_changed():
    assert sent([{"role": "model", "parts": [{"text": "a", "thoughtSignature": "CiQB"}]}], "gemini-3-pro") is None


@pytest.mark.parametrize("name", ["thoughtSignature", "thought_signature"])
def test_marked_thoughts_go_and_marked_calls_get_googles_own_word_for_it(name):
    call = {"functionCall": {"name": "f", "args": {"n": 10.0}}}
    contents = [
        {"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": [{"text": "hm", "thought": True, name: encode_mark("hm", "anthropic", "sig")}]},
        {"role": "model", "parts": [{**call, name: encode_mark("", CALL, "-")}, {**call, name: "CiQB"}]},
    ]
    user = contents[0]
    assert sent(contents, "gemini-3-pro") == [
        user,
        {"role": "model", "parts": [{**call, "thoughtSignature": SKIP_SIGNATURE}, {**call, name: "CiQB"}]},
    ]
    assert sent(contents, "gemini-2.5-pro") == [user, {"role": "model", "parts": [call, {**call, name: "CiQB"}]}]


def test_malformed_contents_are_left_to_the_endpoint():
    assert sent([{"parts": [encode_mark("", CALL, "-")]}], "m") is None
    assert sent(encode_mark("", CALL, "-"), "m") is None
