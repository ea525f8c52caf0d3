"""Truncation: drops the oldest exchanges of a history that exceeds the context window. The rest keeps its bytes and order. Pure.

An assistant message and the results of its tool calls are one unit, so no result loses its call. System messages, the last user
message, and the last unit always stay. The remaining history begins with a user message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from octoroute.domain.conversation import Conversation, RedactedThinking, Thinking, Turn

Kind = Literal["system", "user", "assistant", "results"]
"""`results`: a message with results of the tool calls before it, with or without other text."""


class HistoryMessage(NamedTuple):
    kind: Kind
    chars: int
    """Its size in characters, at four a token."""
    has_user_text: bool = False
    """True for a message of tool results that also has text of the user."""


class History(NamedTuple):
    """The messages of a request and the fields of its body that hold them."""

    key: str
    """The top-level field that lists the messages."""
    raw_messages: Sequence[bytes]
    """The JSON of each message."""
    messages: Sequence[HistoryMessage]
    budgets: tuple[str, ...] = ("max_tokens",)
    """The fields that limit the output tokens: top-level ones, or `OUTER.INNER` for one a level below."""
    min_output_tokens: int = 1
    """The smallest output limit that endpoints accept."""


class Exchange:
    """Messages that are kept or dropped together."""

    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind
        self.indexes: list[int] = []
        self.chars = 0
        self.has_user_text = False

    def add(self, at: int, message: HistoryMessage) -> None:
        self.indexes.append(at)
        self.chars += message.chars
        self.has_user_text = self.has_user_text or message.has_user_text


def select_messages(messages: Sequence[HistoryMessage], drop_chars: int) -> list[int] | None:
    """Indexes of the messages to keep when at least `drop_chars` characters are dropped; None if the required ones are too long."""
    units = group_messages(messages)
    dialogue = [unit for unit in units if unit.kind != "system"]
    required = required_exchanges(dialogue)
    if required is None:
        return None
    optional = [at for at in range(len(dialogue)) if at not in required]
    room = sum(dialogue[at].chars for at in optional) - drop_chars
    if room < 0:
        return None
    selected = set(required)
    for at in reversed(optional):
        room -= dialogue[at].chars
        if room < 0:
            break
        selected.add(at)
    first = next(at for at in sorted(selected) if dialogue[at].kind == "user")
    remaining = [unit for at, unit in enumerate(dialogue) if at in selected and at >= first]
    remaining += [unit for unit in units if unit.kind == "system"]
    return sorted(index for unit in remaining for index in unit.indexes)


def required_exchanges(dialogue: Sequence[Exchange]) -> set[int] | None:
    """Indexes of the exchanges that always stay; None: the user has said nothing. `dialogue` has no system messages."""
    last_user = next((at for at in range(len(dialogue) - 1, -1, -1) if dialogue[at].kind == "user"), None)
    if last_user is None:
        return None
    with_user_text = [at for at, unit in enumerate(dialogue) if unit.has_user_text and at > last_user]
    return {last_user, len(dialogue) - 1, *with_user_text[-1:]}


def group_messages(messages: Sequence[HistoryMessage]) -> list[Exchange]:
    units: list[Exchange] = []
    exchange: Exchange | None = None
    before: Kind | None = None
    for at, message in enumerate(messages):
        kind = message.kind
        if exchange is not None and (kind == "results" or kind == before == "assistant"):
            exchange.add(at, message)
        else:
            unit = Exchange("assistant" if kind == "results" else kind)
            unit.add(at, message)
            units.append(unit)
            if unit.kind == "assistant":
                exchange = unit
        if kind != "system":
            before = kind
    return units


def strip_thinking(conversation: Conversation) -> Conversation:
    """Remove all thinking, for endpoints that verify it against the messages before it, which truncation has changed."""
    turns = [
        Turn(turn.role, tuple(block for block in turn.content if not isinstance(block, Thinking | RedactedThinking)), turn.name)
        for turn in conversation.turns
    ]
    return msgspec.structs.replace(conversation, turns=tuple(turn for turn in turns if turn.content))
