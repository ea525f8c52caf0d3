"""The tap reads along: it sees beginnings, ends, errors, and usage, and lets through what it does not know."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.openai.usage_tap import _CHUNK, OpenAIUsageTap
from octoroute.dialects.response.lenient_json import read_leniently
from octoroute.errors import BadUpstreamResponse

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["index", "delta", "content", "finish_reason", "message", "usage", "prompt_tokens", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def frame(value) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def fed(*values) -> OpenAIUsageTap:
    tap = OpenAIUsageTap()
    for value in values:
        tap.feed(frame(value))
    return tap


def choice(finish=None, index=0, **delta):
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


@given(st.dictionaries(st.sampled_from(["id", "choices", "usage", "object", "data"]), anything, max_size=4))
def test_no_object_of_any_shape_breaks_a_stream(value):
    progress = fed(value).progress
    assert progress.started == bool(read_leniently(_CHUNK, json.dumps(value).encode()).choices)
    assert progress.failure is None


@given(anything.filter(lambda value: not isinstance(value, dict) and value is not None))
def test_what_is_no_object_does(value):
    with pytest.raises(BadUpstreamResponse):
        fed(value)


@pytest.mark.parametrize("data", [b"", b" ", b"null"])
def test_a_frame_without_data_says_nothing(data):
    progress = fed(choice(content="x"), data, choice("stop")).progress
    assert progress.finished
    assert not fed(data).progress.started


@pytest.mark.parametrize("data", [b"{", b"nonsense", b"\xff", b'{"choices":NaN}', b"[" * 5000])
def test_nor_is_nonsense_an_event(data):
    with pytest.raises(BadUpstreamResponse):
        fed(data)


def test_a_stream_ends_with_done_or_when_every_choice_has_finished():
    assert not fed(choice(content="x")).progress.finished
    assert fed(choice(content="x"), choice("stop")).progress.finished
    assert fed(choice(content="x"), b"[DONE]").progress.finished
    two = [choice(content="a"), choice(content="b", index=1)]
    assert not fed(*two, choice("stop")).progress.finished
    assert fed(*two, choice("stop"), choice("length", 1)).progress.finished
    assert fed(*two, b"[DONE]").progress.finished


@pytest.mark.parametrize("frames", [[b"[DONE]"], [{"choices": []}, b"[DONE]"], [{"usage": {"prompt_tokens": 1}}, b"[DONE]"]])
def test_an_end_without_a_beginning_is_none(frames):
    with pytest.raises(BadUpstreamResponse, match="ended before it began"):
        fed(*frames)


@pytest.mark.parametrize("error", [{"message": "m", "code": 500}, "m", {"error": {"message": "m"}}, ["m"], 1, True, {}])
def test_an_error_of_any_shape_is_a_failure(error):
    assert fed({"error": error}).progress.failure is not None


@pytest.mark.parametrize("value", [{"error": None}, {"choices": [], "error": None}])
def test_a_null_error_is_none(value):
    assert fed(value).progress.failure is None


def test_an_event_named_error_is_one_whatever_it_holds():
    tap = OpenAIUsageTap()
    tap.feed(b"event: error\ndata: out of memory\n\n")
    assert tap.progress.failure is not None


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.none() | st.integers(0, 1000))
def test_usage_is_as_the_provider_counted(prompt, completion, cached):
    told = {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": {"cached_tokens": cached}}
    usage = fed({"choices": [], "usage": told}).progress.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (prompt, completion, cached or 0)
    assert not usage.estimated


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=5))
def test_characters_of_text_and_thinking_are_counted(texts):
    progress = fed(*[choice(content=text) for text in texts], *[choice(reasoning_content=text) for text in texts]).progress
    assert progress.output_chars == 2 * sum(len(text) for text in texts)


@pytest.mark.parametrize("body", [{"choices": []}, {"choices": [{"message": {"content": None}}]}, {"data": [{"embedding": [0.1]}]}])
def test_a_whole_answer_is_begun_and_ended(body):
    tap = OpenAIUsageTap()
    tap.feed_body(json.dumps(body).encode())
    assert tap.progress.started
    assert tap.progress.finished


def test_a_body_that_reports_a_failure_is_one():
    tap = OpenAIUsageTap()
    tap.feed_body(b'{"detail":"Rate limit reached"}')
    assert tap.progress.failure is not None
    assert tap.progress.failure.kind == "rate_limit_error"
    assert not tap.progress.finished


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b'{"choices":null}', b"\xff"])
def test_what_is_no_answer_is_not_taken_for_one(body):
    with pytest.raises(BadUpstreamResponse):
        OpenAIUsageTap().feed_body(body)


def test_a_frame_that_is_not_utf_8_is_the_upstreams_fault():
    """Found by fuzzing: the quick look at a frame let a UnicodeDecodeError out."""
    with pytest.raises(BadUpstreamResponse):
        OpenAIUsageTap().feed(b'data: {"choices":[{"index":0,"delta":{"content":"\xff"}}]}\n\n')


def test_counts_of_zero_replace_no_true_ones():
    from tests.support.chunks import chunk, sse

    true = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    zero = dict.fromkeys(true, 0)
    tap = OpenAIUsageTap()
    tap.feed(sse({"choices": [{"index": 0, "delta": {"content": "a"}}], "usage": true}))
    tap.feed(sse({"choices": [], "usage": zero}) + chunk("stop"))
    assert tap.progress.usage is not None
    assert (tap.progress.usage.input_tokens, tap.progress.usage.output_tokens) == (7, 3)
