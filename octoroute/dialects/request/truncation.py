"""A history cut to fit a context window: whole exchanges go, the oldest first, and what stays keeps its bytes and its order. Pure.

An assistant's message and the results of the tools it called are one unit. System messages, the last question, and the last
unit always stay, so no result loses its call, and what is left begins with a user's message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from octoroute.domain.conversation import Conversation, RedactedThinking, Thinking, Turn

Kind = Literal["system", "user", "assistant", "results"]
"""`results` answer the assistant's message before them, whatever else they say."""


class Message(NamedTuple):
    kind: Kind
    chars: int
    """Four a token."""
    has_user_text: bool = False
    """Beside results: something that a user said."""


class History(NamedTuple):
    """How a request's messages stand in its body."""

    key: str
    """The top-level field that lists them."""
    raw_messages: Sequence[bytes]
    messages: Sequence[Message]
    budgets: tuple[str, ...] = ("max_tokens",)
    """The top-level fields that limit the answer."""
    min_output_tokens: int = 1
    """A smaller limit for the answer would be refused."""


class _Unit:
    """Messages that stay or go together."""

    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind
        self.indexes: list[int] = []
        self.chars = 0
        self.has_user_text = False

    def add(self, at: int, message: Message) -> None:
        self.indexes.append(at)
        self.chars += message.chars
        self.has_user_text = self.has_user_text or message.has_user_text


def select_messages(messages: Sequence[Message], drop_chars: int) -> list[int] | None:
    """Which messages stay when at least `drop_chars` go, in order; None when what must stay is too much."""
    units = _group_messages(messages)
    talk = [unit for unit in units if unit.kind != "system"]
    question = next((at for at in range(len(talk) - 1, -1, -1) if talk[at].kind == "user"), None)
    if question is None:
        return None
    said = [at for at, unit in enumerate(talk) if unit.has_user_text and at > question]
    must = {question, len(talk) - 1, *said[-1:]}
    optional = [at for at in range(len(talk)) if at not in must]
    room = sum(talk[at].chars for at in optional) - drop_chars
    if room < 0:
        return None
    stay = set(must)
    for at in reversed(optional):
        room -= talk[at].chars
        if room < 0:
            break
        stay.add(at)
    first = next(at for at in sorted(stay) if talk[at].kind == "user")
    left = [unit for at, unit in enumerate(talk) if at in stay and at >= first]
    left += [unit for unit in units if unit.kind == "system"]
    return sorted(place for unit in left for place in unit.indexes)


def _group_messages(messages: Sequence[Message]) -> list[_Unit]:
    units: list[_Unit] = []
    exchange: _Unit | None = None
    before: Kind | None = None
    for at, message in enumerate(messages):
        kind = message.kind
        if exchange is not None and (kind == "results" or kind == before == "assistant"):
            exchange.add(at, message)
        else:
            unit = _Unit("assistant" if kind == "results" else kind)
            unit.add(at, message)
            units.append(unit)
            if unit.kind == "assistant":
                exchange = unit
        if kind != "system":
            before = kind
    return units


def strip_thinking(conversation: Conversation) -> Conversation:
    """For endpoints that verify thinking against what came before it, which has changed."""
    turns = [
        Turn(turn.role, tuple(block for block in turn.content if not isinstance(block, Thinking | RedactedThinking)), turn.name)
        for turn in conversation.turns
    ]
    return msgspec.structs.replace(conversation, turns=tuple(turn for turn in turns if turn.content))
