"""A whole answer's events gathered into its blocks, for the formats that write it at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from octoroute.dialects.response.errors import error_from_event
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    RedactedThinking,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingSigned,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from octoroute.domain.outcome import Usage

_ANYTHING = msgspec.json.Decoder()
UNNAMED_TOOL_CALL = "the upstream called a tool without naming it"
INVALID_JSON = "_invalid_json"
"""Under this key stand arguments in a history that are no JSON object, because providers refuse anything else."""


def is_json_object(text: str) -> bool:
    """Whether `text` is one complete JSON object; cheap when it is visibly not."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        return isinstance(_ANYTHING.decode(text), dict)
    except (ValueError, RecursionError):
        return False


def normalize_arguments(text: str) -> str:
    """A call's arguments in a history as the text of a JSON object, whatever the model wrote."""
    text = text.strip()
    if not text or text == "null":
        return "{}"
    return text if is_json_object(text) else msgspec.json.encode({INVALID_JSON: text}).decode()


class ThinkingItem:
    """A thinking block, or the provider's encrypted one (`redacted`)."""

    __slots__ = ("origin", "redacted", "signature", "text")

    def __init__(self, redacted: str | None = None) -> None:
        self.text = ""
        self.signature: str | None = None
        self.origin: str | None = None
        self.redacted = redacted


class TextItem:
    """A run of text."""

    __slots__ = ("refusal", "text")

    def __init__(self, *, refusal: bool) -> None:
        self.text = ""
        self.refusal = refusal


class ToolCallItem:
    """A tool call; `arguments` is JSON text, "" means {}."""

    __slots__ = ("arguments", "id", "name", "signature")

    def __init__(self, started: ToolCallStarted) -> None:
        self.id = started.id
        self.name = started.name
        self.signature = started.signature
        self.arguments = ""


class ResponseBlocks:
    """`blocks` in the order the model made them."""

    def __init__(self) -> None:
        self.blocks: list[ThinkingItem | TextItem | ToolCallItem] = []
        self.usage: Usage | None = None
        self.reason = FinishReason.STOP
        self.stop_sequence: str | None = None
        self.upstream_id = ""

    @property
    def text(self) -> str:
        return "".join(block.text for block in self.blocks if isinstance(block, TextItem) and not block.refusal)

    @property
    def refusal(self) -> str:
        return "".join(block.text for block in self.blocks if isinstance(block, TextItem) and block.refusal)

    @property
    def thoughts(self) -> list[ThinkingItem]:
        return [block for block in self.blocks if isinstance(block, ThinkingItem)]

    @property
    def calls(self) -> list[ToolCallItem]:
        return [block for block in self.blocks if isinstance(block, ToolCallItem)]

    @property
    def chars(self) -> int:
        return sum(len(block.arguments if isinstance(block, ToolCallItem) else block.text) for block in self.blocks)


def collect_blocks(events: Iterable[Event]) -> ResponseBlocks:  # noqa: C901 - one case an event
    """Raises what a `Failed` event amounts to: an answer that failed is none."""
    answer = ResponseBlocks()
    blocks = answer.blocks
    pieces: list[str] = []

    def settle() -> None:
        if pieces:
            block = blocks[-1]
            if isinstance(block, ToolCallItem):
                block.arguments += "".join(pieces)
            else:
                block.text += "".join(pieces)
            pieces.clear()

    def said(*, refusal: bool) -> None:
        last = blocks[-1] if blocks else None
        if not (isinstance(last, TextItem) and last.refusal is refusal):
            settle()
            blocks.append(TextItem(refusal=refusal))

    def thinking() -> ThinkingItem:
        last = blocks[-1] if blocks else None
        if not isinstance(last, ThinkingItem) or last.signature is not None or last.redacted is not None:
            settle()
            blocks.append(last := ThinkingItem())
        return last

    for event in events:
        match event:
            case TextDelta(text=text):
                said(refusal=False)
                pieces.append(text)
            case RefusalDelta(text=text):
                said(refusal=True)
                pieces.append(text)
            case ThinkingDelta(text=text):
                thinking()
                pieces.append(text)
            case ThinkingSigned(signature=signature, origin=origin):
                thought = thinking()
                thought.signature, thought.origin = signature, origin
            case RedactedThinking(data=data):
                settle()
                blocks.append(ThinkingItem(data))
            case ToolCallStarted():
                settle()
                blocks.append(ToolCallItem(event))
            case ToolCallDelta(arguments=arguments):
                pieces.append(arguments)
            case UsageReported(usage=usage):
                answer.usage = usage
            case Started(id=id, usage=usage):
                answer.upstream_id, answer.usage = id, usage or answer.usage
            case Finished(reason=reason, stop_sequence=stop_sequence):
                answer.reason, answer.stop_sequence = reason, stop_sequence
            case Failed():
                raise error_from_event(event)
            case _:
                pass
    settle()
    return answer
