"""Decodes the stream of an endpoint that speaks Responses into events. Pure; one decoder per response.

Items are delivered one after another, in the order in which they began. An item whose deltas were not sent is read from its end,
and a response whose items were not sent from the final response.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from octoroute.dialects.response.blocks import UNNAMED_TOOL_CALL
from octoroute.dialects.response.sse import read_frames
from octoroute.dialects.response.upstream_error import OUT_OF_BAND, find_failure, out_of_band_failure, read_event, read_failed_event
from octoroute.dialects.responses.annotations import decode_annotation
from octoroute.dialects.responses.failure import read_failure
from octoroute.dialects.responses.output_item import ItemReader, OutputItem, ResponseObject, ResponseOrder, finish_events
from octoroute.domain.events import Event, Failed, RefusalDelta, Started, TextDelta, ThinkingDelta, ToolCallDelta

_DONE = b"[DONE]"
_THINKING = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")


class _StreamEvent(msgspec.Struct):
    type: str = ""
    output_index: Any = None
    summary_index: Any = None
    content_index: Any = None
    annotation: Any = None
    item: OutputItem | None = None
    delta: Any = None
    response: ResponseObject | None = None


_EVENT = msgspec.json.Decoder(_StreamEvent)


class _Open:
    """An item that has begun: its reader, and the events that wait for the items before it."""

    __slots__ = ("done", "reader", "thinking", "waiting")

    def __init__(self, reader: ItemReader) -> None:
        self.reader = reader
        self.waiting: list[Event] = []
        self.thinking = ""
        """The type of the deltas that its thinking comes in: a server may send the same as summary and as text."""
        self.done = False


class ResponsesDecoder:
    """`names` maps the upstream's tool names to the client's. `strict`: an item that has no counterpart in events is an error."""

    __slots__ = ("_items", "_names", "_order", "_over", "_placed", "_started", "_strict")

    def __init__(self, names: Mapping[str, str] | None = None, *, strict: bool = False) -> None:
        self._names = names or {}
        self._strict = strict
        self._items: dict[object, _Open] = {}
        self._order: deque[_Open] = deque()
        self._placed = ResponseOrder()
        self._started: Started | None = Started()
        """Not yet delivered: that the response was created does not mean that it succeeds."""
        self._over = False

    def feed(self, frames: bytes) -> Sequence[Event]:
        out: list[Event] = []
        for name, data in read_frames(frames):
            if self._over:
                break
            if name in OUT_OF_BAND:
                self._fail(out_of_band_failure(name, data), out)
            elif data.strip() and data != _DONE:
                event = read_event(_EVENT, data)
                if not isinstance(event.output_index, int | str):
                    event.output_index = None  # as from a server that does not number its items
                self._event(event, name, data, out)
        return out

    def end(self) -> Sequence[Event]:
        return ()

    def _event(self, event: _StreamEvent, name: str, data: bytes, out: list[Event]) -> None:
        match event.type or name:
            case "response.created" | "response.in_progress" | "response.queued":
                if event.response is not None and self._started is not None:
                    self._started = event.response.started()
            case "response.output_item.added" if event.item is not None:
                if (known := self._items.get(event.output_index)) is not None and known.done:
                    del self._items[event.output_index]  # a server that does not number its items
                self._add(event.output_index, event.item, out)
            case "response.output_item.done" if event.item is not None:
                self._close(self._add(event.output_index, event.item, out), event.item, out)
            case "response.completed" | "response.incomplete" if event.response is not None:
                self._finish(event.response, out)
            case "error":
                self._fail(read_failed_event(data), out)
            case "response.failed":
                reported = event.response is not None and event.response.error
                self._fail(read_failure(reported or {}), out)
            case kind if isinstance(event.delta, str) and event.delta:
                self._delta(kind, event, event.delta, out)
            case "response.output_text.annotation.added":
                self._cite(event, out)
            case "response.reasoning_summary_part.added" if event.summary_index:
                self._delta(_THINKING[0], event, "\n\n", out)
            case kind if not kind.startswith("response."):
                self._fail(find_failure(data), out)
            case _:
                pass

    def _fail(self, failed: Failed | None, out: list[Event]) -> None:
        if failed is not None:
            self._over = True
            out.append(failed)

    def _add(self, index: object, item: OutputItem, out: list[Event]) -> _Open:
        """The item at `index`; it is opened if it has not been, and its call begins as soon as its name is known."""
        found = self._items.get(index)
        if found is None:
            found = self._items[index] = _Open(ItemReader(self._names, strict=self._strict))
            self._order.append(found)
        self._emit(found, found.reader.begin(item), out)
        return found

    def _delta(self, kind: str, event: _StreamEvent, text: str, out: list[Event]) -> None:
        made: Event | None = None
        found = self._items.get(event.output_index)
        if found is None and kind != "response.function_call_arguments.delta":
            found = self._add(event.output_index, OutputItem(), out)
        if found is None:
            return
        match kind:
            case "response.output_text.delta":
                made = TextDelta(text)
            case "response.refusal.delta":
                made = RefusalDelta(text)
            case "response.function_call_arguments.delta" if found.reader.has_begun_call:
                made = ToolCallDelta(0, text)
            case _ if kind in _THINKING and found.thinking in {"", kind}:
                found.thinking = kind
                made = ThinkingDelta(text)
            case _:
                pass
        if made is not None:
            found.reader.streamed = True
            self._emit(found, [made], out)

    def _cite(self, event: _StreamEvent, out: list[Event]) -> None:
        """A citation in a part that is not the first is read from the end of the item: its place counts from the part."""
        found = self._items.get(event.output_index)
        cited = decode_annotation(event.annotation) if not event.content_index else None
        if found is not None and cited is not None:
            found.reader.cited += 1
            self._emit(found, [cited], out)

    def _emit(self, item: _Open, events: Sequence[Event], out: list[Event]) -> None:
        if not events or item.done:
            return
        if item is not self._order[0]:
            item.waiting += events
            return
        self._deliver(item, events, out)

    def _deliver(self, item: _Open, events: Sequence[Event], out: list[Event]) -> None:
        self._begin(out)
        out += self._placed.place(item, events)

    def _begin(self, out: list[Event]) -> None:
        if self._started is not None:
            out.append(self._started)
            self._started = None

    def _close(self, item: _Open, final: OutputItem | None, out: list[Event]) -> None:
        if item.done:
            return
        if final is not None:
            self._emit(item, item.reader.end(final), out)
        item.done = True
        while self._order and self._order[0].done:
            self._order.popleft()
            if self._order and self._order[0].waiting:
                self._deliver(self._order[0], self._order[0].waiting, out)

    def _finish(self, answer: ResponseObject, out: list[Event]) -> None:
        if answer.error is not None:
            self._fail(read_failure(answer.error), out)
            return
        self._over = True
        if not self._items:
            for index, item in enumerate(answer.output or ()):
                self._close(self._add(index, item, out), item, out)
        for item in list(self._order):
            self._close(item, None, out)
        if any(item.reader.unnamed for item in self._items.values()):
            out.append(Failed("api_error", UNNAMED_TOOL_CALL))
            return
        self._begin(out)
        out += finish_events(answer, called_tools=self._placed.calls > 0)
