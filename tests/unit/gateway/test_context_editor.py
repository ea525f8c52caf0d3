"""Edited histories in all dialects: idempotent, no pair is split, what stays keeps its bytes, and signed thinking is left alone."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.dialects.anthropic.inbound import AnthropicInbound
from octoroute.dialects.openai.inbound import OpenAIInbound
from octoroute.dialects.responses.inbound import ResponsesInbound
from octoroute.domain.endpoint import Capability, Tier
from octoroute.gateway.condenser import CondensedTexts
from octoroute.gateway.context_editor import ContextEditor, largest_too_small, may_exceed
from octoroute.gateway.context_window import ContextPolicy
from tests.support.spine import make_endpoint

INBOUND = {"messages": AnthropicInbound(), "chat": OpenAIInbound(lambda: 0.0), "responses": ResponsesInbound(lambda: 0.0)}
FAST = [make_endpoint("f", tier=Tier.FAST, context_window=1000)]
BLIND = [make_endpoint("f", tier=Tier.FAST, capabilities=frozenset({Capability.TOOLS}))]
SUMMARIZE = ContextPolicy(policy="summarize")
TRANSFORM = ContextPolicy(transforms=("dedupe_environment", "age_images"), image_turns=2)
IMAGES = {
    "chat": {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    "messages": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
    "responses": {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
}


class ScriptedCondenser:
    def __init__(self, fails=False):
        self.fails = fails
        self.chunks = []

    async def summaries(self, source, chunks, size, timeout_s):
        self.chunks += chunks
        return self._texts(len(chunks), "s" * size.summary_chars)

    async def descriptions(self, source, images, timeout_s):
        return self._texts(len(images), "a cat")

    def _texts(self, count, text):
        return CondensedTexts([None if self.fails else text] * count, count, "exhausted" if self.fails else "")


class Anything:
    def unsupported(self, endpoint):
        return "not this one" if endpoint.id == "unable" else None


def call(dialect, number, size):
    text = "r" * size
    if dialect == "chat":
        calls = [{"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
        return [{"role": "assistant", "tool_calls": calls}, {"role": "tool", "tool_call_id": f"c{number}", "content": text}]
    if dialect == "messages":
        return [
            {"role": "assistant", "content": [{"type": "tool_use", "id": f"c{number}", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"c{number}", "content": text}]},
        ]
    return [
        {"type": "function_call", "call_id": f"c{number}", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": f"c{number}", "output": text},
    ]


def messages_of(dialect, steps):
    text_type = "input_text" if dialect == "responses" else "text"
    made = []
    for number, (kind, size) in enumerate(steps):
        words = f"w{number} " + "x" * size
        if kind == "call":
            made += call(dialect, number, size)
        elif kind == "image":
            made.append({"role": "user", "content": [{"type": text_type, "text": words}, IMAGES[dialect]]})
        elif kind == "environment":
            made.append({"role": "user", "content": f"{words}<environment_details>{number}</environment_details>"})
        else:
            made.append({"role": kind, "content": words})
    return [*made, {"role": "user", "content": "the last"}]


def read(dialect, messages, **more):
    key = "input" if dialect == "responses" else "messages"
    body = {"model": "auto", "max_tokens": 20, key: messages, **more}
    return INBOUND[dialect].read(json.dumps(body, indent=1).encode(), request_id="r", headers={})


def raws_of(dialect, request):
    return [bytes(raw) for raw in INBOUND[dialect].history(request).raw_messages]


def summarize(dialect, request, window, condenser=None):
    target = largest_too_small(request, [make_endpoint("t", context_window=window)], SUMMARIZE, Anything())
    changes = []
    if target is None:
        assert not may_exceed(request, [make_endpoint("t", context_window=window)], SUMMARIZE)
        return request, changes
    editor = ContextEditor(condenser or ScriptedCondenser())
    return asyncio.run(editor.summarize(request, INBOUND[dialect], target, FAST, SUMMARIZE, changes)), changes


def transform(dialect, request, fast=FAST, condenser=None):
    changes = []
    editor = ContextEditor(condenser or ScriptedCondenser())
    return asyncio.run(editor.transform(request, INBOUND[dialect], fast, TRANSFORM, changes)), changes


def ids(raws, fields):
    return [id for raw in raws for field in fields for id in _found(json.loads(raw), field)]


def _found(value, field):
    if isinstance(value, dict):
        yield from ([value[field]] if field in value else [])
        for inner in value.values():
            yield from _found(inner, field)
    elif isinstance(value, list):
        for inner in value:
            yield from _found(inner, field)


steps = st.lists(
    st.tuples(st.sampled_from(["user", "assistant", "call", "call", "image", "environment"]), st.integers(0, 3000)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(INBOUND)), steps, st.integers(300, 3000))
def test_a_summarized_history(dialect, told, window):
    request = read(dialect, messages_of(dialect, told))
    before = raws_of(dialect, request)
    edited, changes = summarize(dialect, request, window)
    if edited is request:
        assert not changes or changes[0].what == "summary_failed"
        return
    after = raws_of(dialect, edited)
    kept = [raw for raw in after if b"<conversation_summary" not in raw]
    places = iter(before)
    assert all(raw in places for raw in kept)  # byte for byte, in their order
    assert after[-1] == before[-1]
    if dialect == "responses":
        calls = [id for raw in kept if b'"function_call"' in raw for id in ids([raw], ["call_id"])]
        results = [id for raw in kept if b'"function_call_output"' in raw for id in ids([raw], ["call_id"])]
    else:
        calls = ids(kept, ["id"])
        results = ids(kept, ["tool_call_id", "tool_use_id"])
    assert calls == results
    assert edited.facts.context_tokens <= window
    again, more = summarize(dialect, edited, window)
    assert again is edited or more[0].what == "summary_failed"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(INBOUND)), steps, st.sampled_from([FAST, BLIND]))
def test_a_transformed_history(dialect, told, fast):
    request = read(dialect, messages_of(dialect, told))
    before = raws_of(dialect, request)
    edited, changes = transform(dialect, request, fast)
    after = raws_of(dialect, edited)
    assert len(after) == len(before)
    changed = {at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}
    assert bool(changed) is bool(changes)
    assert all(b"image" in before[at] or b"environment" in before[at] for at in changed)
    again, more = transform(dialect, edited, fast)
    assert (again, more) == (edited, [])


@pytest.mark.parametrize("dialect", INBOUND)
def test_signed_thinking_is_never_summarized_or_transformed(dialect):
    told = [("environment", 2000), ("environment", 2000), ("image", 2000), ("user", 2000), ("user", 2000)]
    messages = messages_of(dialect, told)
    messages[1] = {**messages[1], "note": {"signature": "EqQB"}}
    request = read(dialect, messages)
    condenser = ScriptedCondenser()
    assert transform(dialect, request, condenser=condenser) == (request, [])
    same, changes = summarize(dialect, request, 1500, condenser)
    assert same is request
    assert "signed thinking" in changes[0].note
    assert not condenser.chunks


def test_a_failure_leaves_the_request_and_tells():
    request = read("chat", messages_of("chat", [("user", 2000)] * 6))
    same, changes = summarize("chat", request, 1500, ScriptedCondenser(fails=True))
    assert same is request
    assert [change.what for change in changes] == ["summary_failed"]
    told = read("chat", messages_of("chat", [("image", 1), ("user", 1), ("user", 1)]))
    edited, changes = transform("chat", told, condenser=ScriptedCondenser(fails=True))
    assert b"an image was here" in raws_of("chat", edited)[0]
    assert "without a description (exhausted)" in changes[0].note


def test_which_endpoint_a_summary_is_for():
    request = read("chat", messages_of("chat", [("user", 4000)]))
    small, large, endless = (make_endpoint(id, context_window=size) for id, size in (("s", 100), ("l", 500), ("e", None)))
    unable = make_endpoint("unable", context_window=None)
    assert largest_too_small(request, [small, large], SUMMARIZE, Anything()) is large
    assert largest_too_small(request, [small, unable], SUMMARIZE, Anything()) is small
    assert largest_too_small(request, [small, endless], SUMMARIZE, Anything()) is None
    assert largest_too_small(request, [], SUMMARIZE, Anything()) is None


def test_a_large_history_is_edited_in_the_thread_to_the_same_end():
    request = read("chat", messages_of("chat", [("environment", 20_000)] * 5))
    edited, changes = transform("chat", request)
    assert [change.note for change in changes] == ["context: 4 older environment blocks left out"]
    assert edited.body.raw.count(b"</environment_details>") == 1
    edited, changes = summarize("chat", request, 10_000)
    assert [change.what for change in changes] == ["summary"]
    assert edited.facts.context_tokens <= 10_000
