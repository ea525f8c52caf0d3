"""Thinking that Anthropic would reject is removed from a client's request."""

from __future__ import annotations

import json

from octoroute.dialects.request.thinking_signatures import mark_signature
from tests.support.dialects.messages_inbound import DIALECT, USER, ask


def history(*thoughts, then=()):
    return [
        USER,
        {"role": "assistant", "content": [*thoughts, {"type": "tool_use", "id": "t", "name": "f", "input": {"z": 1}}]},
        *then,
    ]


OURS = {"type": "thinking", "thinking": "ours", "signature": mark_signature("ours", "openai", None)}


THEIRS = {"type": "thinking", "thinking": "theirs", "signature": "Er=="}


RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]}


def test_p83_thinking_made_here_never_reaches_anthropic():
    sent = json.loads(DIALECT.with_model(ask(history(OURS, THEIRS, then=[RESULT])), "m"))
    assert sent["messages"][1]["content"] == [THEIRS, {"type": "tool_use", "id": "t", "name": "f", "input": {"z": 1}}]
    only = [USER, {"role": "assistant", "content": [OURS]}, {"role": "user", "content": "b"}]
    assert json.loads(DIALECT.with_model(ask(only), "m"))["messages"] == [USER, {"role": "user", "content": "b"}]


def test_p83_thinking_is_turned_off_where_a_block_would_be_missed():
    enabled = {"type": "enabled", "budget_tokens": 1024}
    assert json.loads(DIALECT.with_model(ask(history(OURS, then=[RESULT]), thinking=enabled), "m"))["thinking"] == {
        "type": "disabled"
    }
    later = [*history(OURS, then=[RESULT]), {"role": "assistant", "content": [THEIRS, {"type": "text", "text": "x"}]}, USER]
    assert json.loads(DIALECT.with_model(ask(later, thinking=enabled), "m"))["thinking"] == enabled


def test_p81_p84_a_history_of_another_account_goes_without_thinking():
    request = ask(history(THEIRS, then=[RESULT]), thinking={"type": "adaptive"})
    elsewhere = DIALECT.strip_signed_thinking(request)
    assert elsewhere is not None
    sent = json.loads(DIALECT.with_model(elsewhere, "m"))
    assert [block["type"] for block in sent["messages"][1]["content"]] == ["tool_use"] and sent["thinking"] == {"type": "disabled"}
