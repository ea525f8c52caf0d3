"""`reasoning_details`: from a response to a client's signature, and back to the server unchanged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.openai.reasoning_details import (
    DetailCollector,
    detail_text,
    pack_details,
    read_signed_details,
    redacted_detail,
    signed_details,
    text_detail,
    unpack_details,
)
from octoroute.domain.conversation import RedactedThinking, Thinking

SIGNED = {"type": "reasoning.text", "text": "hm", "signature": "sig==", "format": "anthropic-claude-v1", "index": 0}
HIDDEN = {"type": "reasoning.encrypted", "data": "gAAA", "id": "rs_1", "format": "openai-responses-v1", "index": 1}
SUMMARY = {"type": "reasoning.summary", "summary": "so", "index": 2}


def test_deltas_of_one_detail_are_joined():
    collector = DetailCollector()
    collector.add([{"type": "reasoning.text", "text": "h", "index": 0, "format": "anthropic-claude-v1"}])
    collector.add([{"type": "reasoning.text", "text": "m", "index": 0, "signature": None}])
    collector.add([{"type": "reasoning.text", "signature": "sig==", "index": 0}])
    collector.add([HIDDEN, "not a detail"])
    packed = collector.pack()
    assert packed is not None
    assert unpack_details(packed, "hm") == [SIGNED, HIDDEN]
    assert collector.pack() is None


def test_details_of_different_calls_stay_apart():
    collector = DetailCollector()
    collector.add([{"type": "reasoning.encrypted", "data": "a", "id": "call_1"}])
    collector.add([{"type": "reasoning.encrypted", "data": "b", "id": "call_2"}])
    packed = collector.pack()
    assert packed is not None
    assert [detail["data"] for detail in unpack_details(packed, "")] == ["a", "b"]


def test_text_alone_needs_no_signature():
    assert pack_details([text_detail("hm"), SUMMARY]) is None
    assert pack_details([]) is None


texts = st.text(max_size=5)
details = st.lists(
    st.builds(lambda text, sign: {**SIGNED, "text": text, "signature": sign}, texts, st.none() | st.just("s"))
    | st.builds(lambda data: {**HIDDEN, "data": data}, texts)
    | st.builds(lambda text: {**SUMMARY, "summary": text}, texts),
    max_size=4,
)


@given(details)
def test_what_is_packed_comes_back(given_details):
    packed = pack_details(given_details)
    if packed is not None:
        text = "".join(detail.get("text", "") for detail in given_details)
        back = unpack_details(packed, text)
        assert [sorted(detail.items()) for detail in back] == [sorted(detail.items()) for detail in given_details]


@given(st.text(max_size=20))
def test_a_forged_signature_is_no_error(signature):
    assert isinstance(unpack_details(signature, "x"), list)


def test_what_a_user_reads():
    assert detail_text([SIGNED, HIDDEN, SUMMARY, {"type": "x", "text": 7}]) == "hmso"


@pytest.mark.parametrize("origin", ["anthropic", "gemini", "responses"])
def test_signed_thinking_is_given_to_clients_and_read_back(origin):
    details = [*signed_details("hm", "sig==", origin, 0), *signed_details("", "enc", origin, 1), redacted_detail("zz", 2)]
    assert [detail["index"] for detail in details] == [0, 1, 2]
    assert read_signed_details(details) == [Thinking("hm", "sig==", origin), Thinking("", "enc", origin), RedactedThinking("zz")]


def test_openrouters_own_details_are_given_as_they_came_and_not_read_as_ours():
    own = {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
    packed = pack_details([own])
    assert packed is not None
    assert signed_details("hm", packed, "openrouter", 0) == [own]
    assert read_signed_details([own, {"id": 7}, {"id": "octo.1.anthropic"}]) == []
