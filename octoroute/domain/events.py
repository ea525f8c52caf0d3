"""What an answer is made of: the vocabulary every dialect decodes to and encodes from.

One answer is `Started`, then deltas in the order the model made them, then exactly one of `Finished` or `Failed`. A tool
call's arguments arrive between its `ToolCallStarted` and the start of the next block. `index` counts tool calls of the
answer from 0. A whole answer is the same sequence with bigger deltas.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec

from octoroute.domain.outcome import Usage


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    REFUSAL = "refusal"
    """The model declined, or a filter cut it off."""
    PAUSE = "pause"
    """Anthropic's `pause_turn`: the turn may be continued."""


class Started(msgspec.Struct, frozen=True, tag=True):
    id: str = ""
    model: str = ""
    usage: Usage | None = None
    """Input side, when the provider tells it early."""


class TextDelta(msgspec.Struct, frozen=True, tag=True):
    text: str


class ThinkingDelta(msgspec.Struct, frozen=True, tag=True):
    text: str


class ThinkingSigned(msgspec.Struct, frozen=True, tag=True):
    """Closes a thinking block with the provider's signature, to be handed back byte for byte."""

    signature: str
    origin: str = "anthropic"


class RedactedThinking(msgspec.Struct, frozen=True, tag=True):
    data: str


class RefusalDelta(msgspec.Struct, frozen=True, tag=True):
    text: str


class ToolCallStarted(msgspec.Struct, frozen=True, tag=True):
    index: int
    id: str
    name: str
    signature: str | None = None
    """Gemini's thought signature of this call."""


class ToolCallDelta(msgspec.Struct, frozen=True, tag=True):
    """A fragment of a call's arguments; the fragments of one index concatenate to one JSON object ("" means {})."""

    index: int
    arguments: str


class Ping(msgspec.Struct, frozen=True, tag=True):
    """The upstream is alive and has nothing to say yet."""


class UsageReported(msgspec.Struct, frozen=True, tag=True):
    """Cumulative: the newest wins."""

    usage: Usage


class Finished(msgspec.Struct, frozen=True, tag=True):
    reason: FinishReason
    stop_sequence: str | None = None
    raw: str | None = None
    """The provider's own word."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The upstream reported an error in its stream. `kind` as in `errors`; `message` is the upstream's."""

    kind: str
    message: str
    code: str | None = None


Event: TypeAlias = (
    Started
    | TextDelta
    | ThinkingDelta
    | ThinkingSigned
    | RedactedThinking
    | RefusalDelta
    | ToolCallStarted
    | ToolCallDelta
    | Ping
    | UsageReported
    | Finished
    | Failed
)
