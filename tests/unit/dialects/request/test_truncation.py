"""Which messages stay when a history is truncated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.request.truncation import HistoryMessage, select_messages, strip_thinking
from octoroute.domain.conversation import Conversation, RedactedThinking, Role, Text, Thinking, Turn

SIZE = 10


def messages(kinds, **has_user_text):
    words = {"s": "system", "u": "user", "a": "assistant", "r": "results"}
    return [HistoryMessage(words[kind], SIZE, has_user_text.get(f"m{at}", False)) for at, kind in enumerate(kinds)]


@pytest.mark.parametrize(
    ("kinds", "drop", "remaining"),
    [
        ("uau", 0, [0, 1, 2]),
        ("uauau", 1, [2, 3, 4]),
        ("uauau", 21, [4]),
        ("suauau", 1, [0, 3, 4, 5]),
        ("uarau", 1, [4]),
        ("uuarar", 1, [1, 2, 3, 4, 5]),
        ("uaar", 1, None),
        ("uau", 21, None),
        ("aa", 1, None),
        ("", 1, None),
    ],
)
def test_the_oldest_exchanges_are_dropped(kinds, drop, remaining):
    assert select_messages(messages(kinds), drop) == remaining


def test_results_with_text_of_the_user_stay():
    history = messages("uarara", m2=True)
    assert select_messages(history, 0) == [0, 1, 2, 3, 4, 5]
    apart = messages("uaurauar")
    assert select_messages(apart, 1)[0] == 2


@given(st.lists(st.sampled_from("suar"), max_size=12).map("".join), st.integers(0, 150))
def test_what_stays_is_in_order_and_begins_with_the_user(kinds, drop):
    remaining = select_messages(messages(kinds), drop)
    if remaining is None:
        return
    assert remaining == sorted(set(remaining))
    assert {at for at, kind in enumerate(kinds) if kind == "s"} <= set(remaining)
    assert "u" in kinds and kinds.rindex("u") in remaining
    dialogue = [kinds[at] for at in remaining if kinds[at] != "s"]
    assert dialogue[0] == "u"
    assert SIZE * (len(kinds) - len(remaining)) >= drop


def test_thinking_is_stripped_and_empty_turns_with_it():
    turns = (
        Turn(Role.USER, (Text("a"),)),
        Turn(Role.ASSISTANT, (Thinking("hm"), RedactedThinking("x"))),
        Turn(Role.ASSISTANT, (Thinking("hm"), Text("b")), "name"),
    )
    assert strip_thinking(Conversation(turns=turns)).turns == (turns[0], Turn(Role.ASSISTANT, (Text("b"),), "name"))
