"""The items and the final object of an endpoint's response, as events. Pure; for streams and whole responses alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from octoroute.dialects.request.json_input import json_text, read_response
from octoroute.dialects.response.stop_reasons import resolve_reason
from octoroute.dialects.response.upstream_error import error_from_event, find_failure
from octoroute.dialects.response.usage import ResponsesUsage
from octoroute.dialects.responses.annotations import decode_annotation
from octoroute.dialects.responses.failure import read_failure
from octoroute.dialects.responses.reasoning_item import ORIGIN, pack_reasoning
from octoroute.domain.events import (
    Event,
    Finished,
    FinishReason,
    RefusalDelta,
    SourceCited,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingSigned,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from octoroute.errors import BadUpstreamResponse

_KNOWN = frozenset({"", "message", "reasoning", "function_call"})
_REASONS = {"max_output_tokens": FinishReason.LENGTH, "max_tokens": FinishReason.LENGTH, "content_filter": FinishReason.REFUSAL}
_UNFINISHED = frozenset({"queued", "in_progress", "cancelled"})


class OutputItem(msgspec.Struct):
    """Fields are `Any` because items of other types have the same names for other things."""

    type: str = ""
    id: Any = None
    call_id: Any = None
    name: Any = None
    namespace: Any = None
    arguments: Any = None
    content: Any = None
    summary: Any = None
    encrypted_content: Any = None

    def texts(self) -> Iterator[tuple[str, str]]:
        """(key, text) of each part of the content, else of the summary; the key is text or refusal."""
        for fields in self._parts():
            for key in ("text", "refusal"):
                text = fields.get(key)
                if isinstance(text, str) and text:
                    yield key, text
                    break

    def citations(self) -> Iterator[SourceCited]:
        """With places in the text of the item."""
        offset = 0
        for fields in self._parts():
            annotations = fields.get("annotations")
            for annotation in cast("list[Any]", annotations) if isinstance(annotations, list) else ():
                cited = decode_annotation(annotation, offset)
                if cited is not None:
                    yield cited
            text = fields.get("text")
            offset += len(text) if isinstance(text, str) else 0

    def _parts(self) -> Iterator[dict[str, Any]]:
        parts: Any = self.content or self.summary
        for part in cast("list[Any]", parts) if isinstance(parts, list) else ():
            if isinstance(part, dict):
                yield cast("dict[str, Any]", part)


class _Details(msgspec.Struct):
    reason: str | None = None


class ResponseObject(msgspec.Struct):
    """The `response` of a final event, or a whole response: the fields that are read."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[OutputItem] | None = None
    usage: ResponsesUsage | None = None
    error: Any = None
    incomplete_details: _Details | None = None

    def started(self) -> Started:
        return Started(self.id or "", self.model or "")


_ANSWER = msgspec.json.Decoder(ResponseObject)


class ItemReader:
    """Reads one item. `streamed`: its deltas have been delivered, so that its end must not repeat them. `cited`: so many of its
    citations, too.
    """

    __slots__ = ("_names", "_strict", "cited", "has_begun_call", "streamed", "unnamed")

    def __init__(self, names: Mapping[str, str], *, strict: bool) -> None:
        self._names = names
        self._strict = strict
        self.has_begun_call = False
        self.unnamed = False
        """A call without a name."""
        self.streamed = False
        self.cited = 0

    def begin(self, item: OutputItem) -> list[Event]:
        """Events of an item that has begun, or of one that was known only in part. Every call has the number 0.

        Raises BadUpstreamResponse.
        """
        if self._strict and (item.type not in _KNOWN or item.namespace is not None):
            raise BadUpstreamResponse(f"an item of type {item.type} cannot be translated")
        if item.type != "function_call" or self.has_begun_call:
            return []
        name = str(item.name or "")
        self.unnamed = not name
        if not name:
            return []
        self.has_begun_call = True
        return [ToolCallStarted(0, str(item.call_id or item.id or ""), self._names.get(name, name))]

    def end(self, item: OutputItem) -> list[Event]:
        """Events of a complete item that have not been delivered."""
        events: list[Event] = []
        if item.type == "message":
            if not self.streamed:
                events += [TextDelta(text) if key == "text" else RefusalDelta(text) for key, text in item.texts()]
            events += [*item.citations()][self.cited :]
        elif item.type == "function_call" and self.has_begun_call and not self.streamed:
            arguments = json_text(item.arguments)
            events += [ToolCallDelta(0, arguments)] if arguments else []
        elif item.type == "reasoning":
            if not self.streamed:
                text = "\n\n".join(text for _, text in item.texts())
                events += [ThinkingDelta(text)] if text else []
            if item.encrypted_content:
                signature = pack_reasoning(str(item.id or ""), str(item.encrypted_content))
                events.append(ThinkingSigned(signature, ORIGIN))
        return events


class ResponseOrder:
    """Numbers the calls of a response in the order in which they are delivered; the arguments of a call follow it at once.
    Places in the text of an item become places in the text of the response.
    """

    __slots__ = ("_chars", "_item", "_offset", "calls")

    def __init__(self) -> None:
        self.calls = 0
        self._item: object = None
        self._chars = self._offset = 0
        """Of the text so far, and of that before the item."""

    def place(self, item: object, events: Sequence[Event]) -> Iterator[Event]:
        """`events` of `item`, whose events follow each other."""
        if item is not self._item:
            self._item, self._offset = item, self._chars
        for event in events:
            match event:
                case TextDelta(text=text):
                    self._chars += len(text)
                    yield event
                case SourceCited(start=start, end=end) if end:
                    yield msgspec.structs.replace(event, start=start + self._offset, end=end + self._offset)
                case ToolCallStarted(id=id, name=name):
                    self.calls += 1
                    yield ToolCallStarted(self.calls - 1, id, name)
                case ToolCallDelta(arguments=arguments):
                    yield ToolCallDelta(self.calls - 1, arguments)
                case _:
                    yield event


def finish_events(answer: ResponseObject, *, called_tools: bool) -> list[Event]:
    """The usage and the end of a response."""
    word = answer.incomplete_details.reason if answer.incomplete_details is not None else None
    if word is None and answer.status == "incomplete":
        word = "max_output_tokens"
    reason = _REASONS.get(word or "") if word is not None else None
    events: list[Event] = [] if answer.usage is None else [UsageReported(answer.usage.usage())]
    return [*events, Finished(resolve_reason(reason, called_tools=called_tools), None, word or answer.status)]


def decode_response(body: bytes, names: Mapping[str, str] | None = None, *, strict: bool = False) -> list[Event]:
    """Decode a whole response; `names` and `strict` as in `ResponsesDecoder`.

    Raises BadUpstreamResponse, or the UpstreamError of an error in place of a response.
    """
    answer = read_answer(body)
    events: list[Event] = [answer.started()]
    order = ResponseOrder()
    for item in answer.output or ():
        reader = ItemReader(names or {}, strict=strict)
        events += order.place(item, [*reader.begin(item), *reader.end(item)])
    return [*events, *finish_events(answer, called_tools=order.calls > 0)]


def read_answer(body: bytes) -> ResponseObject:
    """The response object of `body`, if it is complete. Raises as `decode_response`."""
    answer = read_response(_ANSWER, body, "response")
    if answer.error is not None or answer.status == "failed":
        raise error_from_event(read_failure(answer.error))
    if answer.output is None or answer.status in _UNFINISHED:
        failed = find_failure(body)
        if failed is not None:
            raise error_from_event(failed)
        raise BadUpstreamResponse("the upstream's response has no output, or is not complete")
    return answer
