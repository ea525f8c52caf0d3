"""What is read in one go is what would have been read field by field."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.openai.fast_request import read_fast_request
from octoroute.dialects.openai.inbound import OpenAIInbound
from octoroute.dialects.request.body import RequestBody
from octoroute.errors import BadRequest

READER = OpenAIInbound(lambda: 0.0)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(["", "auto", "text", "user", "high"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "role", "content", "text"]), inner, max_size=2)
    ),
    max_leaves=4,
)
parts = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "file", "input_audio", "new"])},
    optional={"text": st.text(st.characters(exclude_categories=["Cs"]), max_size=9), "file": st.just({"file_data": "AAAA" * 30})},
)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "function"])},
    optional={
        "content": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.lists(parts, max_size=3),
        "tool_calls": st.sampled_from([None, [], [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]]),
        "name": anything,
    },
)
requests = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["auto", "auto:0.3", "auto:3", "llama3:8b", " ", "x/auto:1"]) | anything,
        "messages": st.lists(messages, max_size=16) | anything,
    },
    optional={
        "stream": st.booleans() | anything,
        "stream_options": st.sampled_from([{}, {"include_usage": True}, {"include_usage": None}]) | anything,
        "tools": st.sampled_from([[], [{"type": "function"}], {}]) | anything,
        "functions": anything,
        "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}, {}]) | anything,
        "octoroute": st.sampled_from([{}, {"importance": "high"}, {"task_type": "code", "quality": 0.5}, {"quality": 2}])
        | anything,
        "max_tokens": st.integers(-2, 9) | anything,
        "max_completion_tokens": st.integers(-2, 9) | anything,
        "temperature": st.floats(-1, 3) | anything,
        "top_p": st.floats(-1, 2) | anything,
        "presence_penalty": st.floats(-3, 3),
        "frequency_penalty": st.floats(-3, 3),
        "n": st.integers(-1, 3),
        "seed": anything,
    },
)
hints = st.dictionaries(st.sampled_from(["x-octoroute-importance", "x-octoroute-quality"]), st.sampled_from(["high", "0.5", "7"]))


def read(body: bytes, headers, *, at_once: bool):
    """The request without its body, or the error's text."""
    try:
        if at_once:
            request = READER.read(body, request_id="r", headers=headers)
        else:
            request = READER.read_by_field(RequestBody.parse(body), request_id="r", headers=headers)
    except BadRequest as error:
        return (error.message, error.param)
    return (request.model, request.stream, request.wants_usage, request.facts, request.api, request.dialect)


@given(requests, hints, st.randoms(use_true_random=False), st.booleans())
def test_what_is_read_at_once_is_what_would_have_been_read_field_by_field(members, headers, chance, ascii_only):
    pairs = list(members.items())
    chance.shuffle(pairs)
    body = json.dumps(dict(pairs), ensure_ascii=ascii_only).encode()
    assert read(body, headers, at_once=True) == read(body, headers, at_once=False)


@given(st.lists(st.tuples(st.sampled_from(["model", "stream", "max_tokens", "octoroute"]), anything), max_size=5))
def test_of_a_field_that_stands_twice_the_last_counts(extra):
    told = "".join(f",{json.dumps(name)}:{json.dumps(value)}" for name, value in extra)
    body = ('{"model":"auto","messages":[{"role":"user","content":"x"}]' + told + "}").encode()
    assert read(body, {}, at_once=True) == read(body, {}, at_once=False)


wide = st.text(st.sampled_from("aé€語😀 "), max_size=30)


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), wide), min_size=1, max_size=9), wide)
def test_characters_of_several_bytes_are_counted_over_the_whole_body_as_in_each_text(texts, tool):
    """Each text is rounded on its own where the body writes characters as numbers: up to a character and a half less."""
    members = {
        "model": "auto",
        "messages": [{"role": role, "content": text} for role, text in texts],
        "tools": [{"type": "function", "function": {"name": "f", "description": tool}}],
    }
    as_bytes, as_numbers = (
        READER.read(json.dumps(members, ensure_ascii=ascii_only).encode(), request_id="r", headers={}).facts
        for ascii_only in (False, True)
    )
    assert as_bytes.text == as_numbers.text
    assert 0 <= as_bytes.tokens - as_numbers.tokens <= 1 + 3 * len(texts) // 8


def test_a_body_that_mixes_both_ways_to_write_a_character_is_counted_text_by_text():
    body = '{"model":"auto","messages":[{"role":"user","content":"\\u8a9e\\u8a9e\\u8a9e語"}]}'.encode()
    assert READER.read(body, request_id="r", headers={}).facts.tokens == 4


@pytest.mark.parametrize(
    "more", ["", ',"stream":null', ',"max_tokens":-1', ',"tools":[]', ',"response_format":null', ',"x":{"model":1}']
)
def test_the_usual_is_read_at_once(more):
    assert read_fast_request(f'{{"model":"auto","messages":[{{"role":"user","content":"x"}}]{more}}}'.encode()) is not None


@pytest.mark.parametrize(
    "more", ['"model":""', '"messages":[]', '"max_tokens":0', '"n":0', '"temperature":2.1', '"octoroute":null', '"stream":1']
)
def test_what_is_wrong_is_left_to_those_who_can_say_what(more):
    assert read_fast_request(f'{{"model":"auto","messages":[{{"role":"user","content":"x"}}],{more}}}'.encode()) is None
