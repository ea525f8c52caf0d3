"""The dialect-neutral form of a response: events that every dialect decodes to and encodes from. Every struct is frozen.

A response is `Started`, then deltas in the order the model produced them, then exactly one of `Finished` or `Failed`. The
arguments of a tool call arrive between its `ToolCallStarted` and the start of the next block. `index` counts the tool calls
of the response from 0. A non-streaming response is the same sequence with larger deltas.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec

from octoroute.domain.outcome import Usage


class FinishReason(StrEnum):
    """Why the model stopped."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    REFUSAL = "refusal"
    """The model declined, or a content filter stopped it."""
    PAUSE = "pause"
    """Anthropic's `pause_turn`: the turn may be continued."""


class Started(msgspec.Struct, frozen=True, tag=True):
    """The first event. `id` and `model` are the provider's; "" if it gave none."""

    id: str = ""
    model: str = ""
    usage: Usage | None = None
    """The input tokens, if the provider reports them early; None: not yet known."""


class TextDelta(msgspec.Struct, frozen=True, tag=True):
    """A fragment of the text."""

    text: str


class ThinkingDelta(msgspec.Struct, frozen=True, tag=True):
    """A fragment of the reasoning."""

    text: str


class ThinkingSigned(msgspec.Struct, frozen=True, tag=True):
    """The end of a reasoning block, with the provider's signature, which a later request returns byte for byte.

    `origin`: the issuer of the signature, as in `conversation.Thinking`.
    """

    signature: str
    origin: str = "anthropic"


class ThinkingRedacted(msgspec.Struct, frozen=True, tag=True):
    """A block of encrypted reasoning (Anthropic); opaque."""

    data: str


class ImageProduced(msgspec.Struct, frozen=True, tag=True):
    """An image that the model made, complete: base64 `data` of the media type."""

    media_type: str
    data: str


class SourceCited(msgspec.Struct, frozen=True, tag=True):
    """A source of the text: a web page with a `url`, or a document of the request.

    `start` and `end`: the place of what it supports, in characters of the response's text; both 0 if the provider names none.
    """

    url: str = ""
    title: str = ""
    quote: str = ""
    """The passage of the source; "": not given."""
    start: int = 0
    end: int = 0
    document: int | None = None
    """The number of the request's document, from 0; None: not given."""
    place: tuple[str, int, int] | None = None
    """Of the passage in the document: char, page, or block, and the first and last of them; None: not given."""
    file_id: str = ""
    """Of a document that the provider stores."""


class RefusalDelta(msgspec.Struct, frozen=True, tag=True):
    """A fragment of the model's refusal."""

    text: str


class ToolCallStarted(msgspec.Struct, frozen=True, tag=True):
    """The start of the tool call number `index`."""

    index: int
    id: str
    name: str
    signature: str | None = None
    """Gemini's thought signature of this call; None: there is none."""


class ToolCallDelta(msgspec.Struct, frozen=True, tag=True):
    """A fragment of a call's arguments; the fragments of one index concatenate to one JSON object ("" means {})."""

    index: int
    arguments: str


class Ping(msgspec.Struct, frozen=True, tag=True):
    """A keep-alive without content."""


class UsageReported(msgspec.Struct, frozen=True, tag=True):
    """Token usage so far. Cumulative: a later report replaces an earlier one."""

    usage: Usage


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The regular end. `stop_sequence`: the one that ended the text; None: none did."""

    reason: FinishReason
    stop_sequence: str | None = None
    raw: str | None = None
    """The provider's own value of the reason; None: it gave none."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The upstream reported an error in the stream. `kind` as in `errors`; `message` and `code` are the upstream's."""

    kind: str
    message: str
    code: str | None = None


Event: TypeAlias = (
    Started
    | TextDelta
    | ThinkingDelta
    | ThinkingSigned
    | ThinkingRedacted
    | ImageProduced
    | SourceCited
    | RefusalDelta
    | ToolCallStarted
    | ToolCallDelta
    | Ping
    | UsageReported
    | Finished
    | Failed
)
