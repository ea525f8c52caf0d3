"""Images by age: which are old, and that their replacement leaves every other byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.request.image_age import MARKER, count_old, described, images_of, replace_images
from octoroute.dialects.request.truncation import History, HistoryMessage

PARTS = {
    "chat": {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    "messages": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
    "responses": {"type": "input_image", "image_url": "data:image/png;base64,AA==", "file_id": None},
}
kinds = st.sampled_from(["user", "assistant", "results", "system"])


@given(st.lists(kinds, max_size=12), st.integers(1, 4))
def test_old_is_what_so_many_user_messages_follow(told, turns):
    messages = [HistoryMessage(kind, 1) for kind in told]
    old = count_old(History("messages", [b"{}"] * len(told), messages), turns)
    assert old == sum(told[at + 1 :].count("user") >= turns for at in range(len(told)))


@pytest.mark.parametrize("dialect", PARTS)
@pytest.mark.parametrize("where", ["message", "result"])
def test_an_image_becomes_text_of_the_same_dialect(dialect, where):
    part = json.dumps(PARTS[dialect])
    before, after = '{"role":"user","content":[ {"type":"text","text":"\\u0061"} , ', " ]}"
    if where == "result":
        before, after = before + '{"type":"tool_result","content":[', "]}" + after
    message = f"{before}{part}{after}".encode()
    images = images_of([message, message])
    assert len(images) == 1
    changed = replace_images(message, dict.fromkeys(images, described("a cat")))
    kind = "input_text" if dialect == "responses" else "text"
    new = json.dumps({"type": kind, "text": "[description of an older image: a cat]"}, separators=(",", ":"))
    assert changed == f"{before}{new}{after}".encode()
    assert images_of([changed]) == {}
    assert replace_images(changed, dict.fromkeys(images, MARKER)) == changed


def test_a_tools_output_may_hold_images():
    message = json.dumps({"type": "function_call_output", "call_id": "c", "output": [PARTS["responses"]]}).encode()
    images = images_of([message])
    assert json.loads(replace_images(message, dict.fromkeys(images, MARKER)))["output"] == [{"type": "input_text", "text": MARKER}]


def test_a_cache_mark_stays_and_is_not_part_of_the_image():
    marked = {**PARTS["messages"], "cache_control": {"type": "ephemeral"}}
    messages = [json.dumps({"role": "user", "content": [part]}).encode() for part in (PARTS["messages"], marked)]
    images = images_of(messages)
    assert len(images) == 1
    changed = json.loads(replace_images(messages[1], dict.fromkeys(images, MARKER)))
    assert changed["content"] == [{"type": "text", "text": MARKER, "cache_control": {"type": "ephemeral"}}]


@pytest.mark.parametrize(
    "part", [{"type": "text", "text": "image"}, {"type": "image"}, {"type": "image", "source": None}, 3, "image"]
)
def test_what_shows_nothing_is_no_image(part):
    assert images_of([json.dumps({"role": "user", "content": [part]}).encode()]) == {}
