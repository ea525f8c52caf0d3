"""Texts and parts inside a message's JSON: only what is edited changes, byte for byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.request.message_parts import edit_parts, edit_texts, part_fields, type_of

texts = st.text(max_size=20)
parts = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["text", "input_text"]), "text": texts}),
    st.fixed_dictionaries({"text": texts}),
    st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": texts})}),
    st.fixed_dictionaries({"type": st.just("tool_result"), "content": texts | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": texts}), max_size=2)}),
)  # fmt: skip
contents = texts | st.lists(parts, max_size=4) | st.none()
spaces = st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", " : ")])


def same(raw):
    return raw


@given(contents, spaces, st.booleans())
def test_an_edit_that_changes_nothing_keeps_every_byte(content, separators, plain):
    message = json.dumps({"role": "user", "content": content, "name": "x"}, separators=separators, ensure_ascii=plain).encode()
    assert edit_texts(message, same) == message
    assert edit_parts(message, same) == message


@given(contents, spaces)
def test_only_the_texts_change(content, separators):
    message = json.dumps({"role": "user", "content": content}, separators=separators).encode()
    seen = []

    def shout(raw):
        seen.append(json.loads(raw))
        return b'"!"'

    told = json.loads(edit_texts(message, shout))["content"]
    if isinstance(content, str):
        assert (told, seen) == ("!", [content])
        return
    own = [part for part in content or () if part.get("type") in {None, "text", "input_text"}]
    assert seen == [part["text"] for part in own]
    assert told == (content and [{**part, "text": "!"} if part in own else part for part in content])


def test_parts_inside_a_tool_result_are_parts():
    message = b'{"role":"user","content":[ {"type":"tool_result","content":[{"a":1} , {"b":2}]},{"c":3}]}'
    edited = edit_parts(message, lambda part: b"{}" if b"b" in part else part)
    assert edited == b'{"role":"user","content":[ {"type":"tool_result","content":[{"a":1} , {}]},{"c":3}]}'


@pytest.mark.parametrize(
    "message",
    [
        b"3",
        b"[]",
        b"{",
        b'{"content":3}',
        b'{"content":null}',
        b'{"content":[3,null,"x",[[1]]]}',
        b'{"content":[{"type":3,"text":4}]}',
    ],
)
def test_odd_messages_are_left_alone(message):
    assert edit_texts(message, lambda _: b"!") == message
    assert edit_parts(message, same) == message


def test_repeated_parts_are_each_edited():
    numbers = iter(b"123")
    message = b'{"content":["a","a", "a"]}'
    assert edit_parts(message, lambda _: b"%c" % next(numbers)) == b'{"content":[1,2, 3]}'


def test_the_type_of_a_part():
    assert part_fields(b"[") is None
    fields = part_fields(b'{"type":"text"}')
    assert fields is not None
    assert type_of(fields) == "text"
