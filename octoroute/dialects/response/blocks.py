"""Collects the events of a response into blocks, for encoders of non-streaming responses. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from octoroute.dialects.response.upstream_error import error_from_event
from octoroute.dialects.response.usage import IMAGE_CHARS
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ImageProduced,
    RefusalDelta,
    SourceCited,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from octoroute.domain.outcome import Usage

_ANYTHING = msgspec.json.Decoder()
UNNAMED_TOOL_CALL = "the upstream sent a tool call without a name"


def is_json_object(text: str) -> bool:
    """True if `text` is one complete JSON object. Text that does not end in `}` is not parsed."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        return isinstance(_ANYTHING.decode(text), dict)
    except (ValueError, RecursionError):
        return False


class ThinkingItem:
    """A thinking block. `redacted` holds the encrypted data of a redacted one, otherwise None."""

    __slots__ = ("origin", "redacted", "signature", "text")

    def __init__(self, redacted: str | None = None) -> None:
        self.text = ""
        self.signature: str | None = None
        self.origin: str | None = None
        self.redacted = redacted


class TextItem:
    """Consecutive text, or a refusal. `citations`: those that end in it, with places in the text of the whole response."""

    __slots__ = ("citations", "refusal", "text")

    def __init__(self, *, refusal: bool) -> None:
        self.text = ""
        self.refusal = refusal
        self.citations: list[SourceCited] = []


class ToolCallItem:
    """A tool call. `arguments` is JSON text; "" means {}."""

    __slots__ = ("arguments", "id", "name", "signature")

    def __init__(self, started: ToolCallStarted) -> None:
        self.id = started.id
        self.name = started.name
        self.signature = started.signature
        self.arguments = ""


class ImageItem:
    """An image: base64 `data`."""

    __slots__ = ("data", "media_type")

    def __init__(self, produced: ImageProduced) -> None:
        self.media_type = produced.media_type
        self.data = produced.data


BlockItem = ThinkingItem | TextItem | ToolCallItem | ImageItem


class ResponseBlocks:
    """A response: its `blocks` in the model's order, its usage (None if not reported), and its stop reason."""

    def __init__(self) -> None:
        self.blocks: list[BlockItem] = []
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
    def texts(self) -> Iterator[tuple[TextItem, int]]:
        """Each text that is no refusal, and how many characters of text came before it."""
        offset = 0
        for block in self.blocks:
            if isinstance(block, TextItem) and not block.refusal:
                yield block, offset
                offset += len(block.text)

    @property
    def citations(self) -> list[SourceCited]:
        return [cited for block in self.blocks if isinstance(block, TextItem) for cited in block.citations]

    @property
    def thoughts(self) -> list[ThinkingItem]:
        return [block for block in self.blocks if isinstance(block, ThinkingItem)]

    @property
    def calls(self) -> list[ToolCallItem]:
        return [block for block in self.blocks if isinstance(block, ToolCallItem)]

    @property
    def images(self) -> list[ImageItem]:
        return [block for block in self.blocks if isinstance(block, ImageItem)]

    @property
    def chars(self) -> int:
        return sum(_chars(block) for block in self.blocks)


def _chars(block: BlockItem) -> int:
    match block:
        case ToolCallItem(arguments=text) | ThinkingItem(text=text) | TextItem(text=text):
            return len(text)
        case ImageItem():
            return IMAGE_CHARS


class _BlockBuilder:
    """Appends text to the last of `blocks`, or opens another one. The text of a block is joined once, when it is complete."""

    __slots__ = ("_blocks", "_pieces")

    def __init__(self, blocks: list[BlockItem]) -> None:
        self._blocks = blocks
        self._pieces: list[str] = []

    def open(self, block: BlockItem) -> None:
        self.flush()
        self._blocks.append(block)

    def append(self, text: str) -> None:
        self._pieces.append(text)

    def append_text(self, text: str, *, refusal: bool) -> None:
        last = self._blocks[-1] if self._blocks else None
        if not (isinstance(last, TextItem) and last.refusal is refusal):
            self.open(TextItem(refusal=refusal))
        self._pieces.append(text)

    def open_thinking(self) -> ThinkingItem:
        """The last block if it is thinking without a signature; otherwise a new one."""
        last = self._blocks[-1] if self._blocks else None
        if not isinstance(last, ThinkingItem) or last.signature is not None or last.redacted is not None:
            self.open(last := ThinkingItem())
        return last

    def flush(self) -> None:
        if self._pieces:
            block = self._blocks[-1]
            if isinstance(block, ToolCallItem):
                block.arguments += "".join(self._pieces)
            elif not isinstance(block, ImageItem):
                block.text += "".join(self._pieces)
            self._pieces.clear()


def collect_blocks(events: Iterable[Event]) -> ResponseBlocks:
    """Collect all events. Raises the UpstreamError of a `Failed` event."""
    response = ResponseBlocks()
    builder = _BlockBuilder(response.blocks)
    cited: list[SourceCited] = []
    for event in events:
        match event:
            case TextDelta(text=text) | RefusalDelta(text=text):
                builder.append_text(text, refusal=isinstance(event, RefusalDelta))
            case ThinkingDelta(text=text):
                builder.open_thinking()
                builder.append(text)
            case ThinkingSigned(signature=signature, origin=origin):
                block = builder.open_thinking()
                block.signature, block.origin = signature, origin
            case ThinkingRedacted(data=data):
                builder.open(ThinkingItem(data))
            case ImageProduced():
                builder.open(ImageItem(event))
            case ToolCallStarted():
                builder.open(ToolCallItem(event))
            case ToolCallDelta(arguments=arguments):
                builder.append(arguments)
            case UsageReported(usage=usage):
                response.usage = usage
            case Started(id=id, usage=usage):
                response.upstream_id, response.usage = id, usage or response.usage
            case Finished(reason=reason, stop_sequence=stop_sequence):
                response.reason, response.stop_sequence = reason, stop_sequence
            case SourceCited():
                cited.append(event)
            case Failed():
                raise error_from_event(event)
            case _:
                pass
    builder.flush()
    if cited:
        _place_citations(response, cited)
    return response


def _place_citations(response: ResponseBlocks, cited: Sequence[SourceCited]) -> None:
    """Give each citation to the text in which it ends; one without a place, to the last text. Without any text, it is dropped."""
    texts = list(response.texts)
    ends = [offset + len(item.text) for item, offset in texts]
    for source in cited if texts else ():
        at = bisect_left(ends, source.end) if source.end else len(ends)
        texts[min(at, len(texts) - 1)][0].citations.append(source)
