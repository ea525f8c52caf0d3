"""Filters: decoders around another decoder that add what a server does not do itself. Pure; one of each per response.

`StopSequenceFilter` enforces stop sequences that the server does not accept. `ThinkTagFilter` separates thinking from text.
`ResponseToolFilter` turns the input of a forced tool into text.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from octoroute.dialects.base import Decoder
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    SourceCited,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)

_OPEN, _CLOSE = "<think>", "</think>"


class StopSequenceFilter:
    """Ends the response at the first stop sequence. Holds back text that may be the start of one."""

    def __init__(self, inner: Decoder, stops: Sequence[str]) -> None:
        self._inner = inner
        self._stops = tuple(stop for stop in stops if stop)
        self._longest = max(map(len, self._stops), default=1)
        self._held: str = ""
        self._stopped = False

    def feed(self, frames: bytes) -> Sequence[Event]:
        return self._cut(self._inner.feed(frames))

    def end(self) -> Sequence[Event]:
        return self._cut(self._inner.end())

    def _cut(self, events: Sequence[Event]) -> list[Event]:
        out: list[Event] = []
        for event in events:
            if self._stopped:
                if isinstance(event, UsageReported | SourceCited):
                    out.insert(max(0, len(out) - 1), event)
            elif isinstance(event, TextDelta):
                self._text(event.text, out)
            else:
                if isinstance(event, Finished | Failed | ToolCallStarted):
                    self._release(out)
                out.append(event)
        return out

    def _text(self, text: str, out: list[Event]) -> None:
        text = self._held + text
        found = ((at + len(stop), at, stop) for stop in self._stops if (at := text.find(stop)) >= 0)
        first = min(found, default=None)  # the one that is complete first, as if the model had stopped there
        if first is not None:
            self._held = text[: first[1]]
            self._release(out)
            self._stopped = True
            out.append(Finished(FinishReason.STOP, first[2], "stop"))
            return
        keep = next((size for size in range(min(self._longest - 1, len(text)), 0, -1) if self._may_begin(text[-size:])), 0)
        self._held = text[len(text) - keep :]
        if len(text) > keep:
            out.append(TextDelta(text[: len(text) - keep]))

    def _may_begin(self, tail: str) -> bool:
        return any(stop.startswith(tail) for stop in self._stops)

    def _release(self, out: list[Event]) -> None:
        if self._held:
            out.append(TextDelta(self._held))
            self._held = ""


class ThinkTagFilter:
    """Turns a leading `<think>…</think>` into thinking, even if events split the tags. Unclosed, all text is thinking."""

    def __init__(self, inner: Decoder) -> None:
        self._inner = inner
        self._held = ""
        self._state = "before"
        self._received = self._removed = 0
        """Characters of the text, and those before its visible part, which citations count."""

    def feed(self, frames: bytes) -> Sequence[Event]:
        return self._split(self._inner.feed(frames))

    def end(self) -> Sequence[Event]:
        return self._split(self._inner.end())

    def _split(self, events: Sequence[Event]) -> Sequence[Event]:
        if self._state == "after" and not self._held:
            return [self._shift(event) for event in events] if self._removed else events
        out: list[Event] = []
        for event in events:
            if isinstance(event, TextDelta):
                self._held += event.text
                self._received += len(event.text)
                self._advance(out)
            else:
                if isinstance(event, Finished | Failed | ToolCallStarted):
                    self._release(out)
                out.append(self._shift(event))
        return out

    def _shift(self, event: Event) -> Event:
        """A citation with its place in the visible text; any other event as it is."""
        if not isinstance(event, SourceCited):
            return event
        start, end = (max(0, at - self._removed) for at in (event.start, event.end))
        return msgspec.structs.replace(event, start=start, end=end)

    def _advance(self, out: list[Event]) -> None:
        if self._state == "before":
            text = self._held.lstrip()
            if text.startswith(_OPEN):
                self._state, self._held = "opened", text[len(_OPEN) :]
            elif not _OPEN.startswith(text):
                self._state = "after"
        if self._state == "opened":
            self._held = self._held.lstrip("\n")
            if self._held:
                self._state = "thinking"
        if self._state == "thinking":
            thinking, closed, rest = self._held.partition(_CLOSE)
            if not closed:
                keep = next(
                    (size for size in range(min(len(_CLOSE) - 1, len(thinking)), 0, -1) if _CLOSE.startswith(thinking[-size:])), 0
                )
                thinking, rest = thinking[: len(thinking) - keep], thinking[len(thinking) - keep :]
            if thinking:
                out.append(ThinkingDelta(thinking))
            self._held = rest
            if closed:
                self._state = "between"
        if self._state == "between":
            self._held = self._held.lstrip("\n")
            if self._held:
                self._state = "after"
                self._removed = self._received - len(self._held)
        if self._state == "after" and self._held:
            out.append(TextDelta(self._held))
            self._held = ""

    def _release(self, out: list[Event]) -> None:
        if self._held:
            out.append((ThinkingDelta if self._state in {"opened", "thinking"} else TextDelta)(self._held))
            self._held = ""


class ResponseToolFilter:
    """Turns the input of `tool`, which was forced to get structured output, into the text of the response."""

    def __init__(self, inner: Decoder, tool: str) -> None:
        self._inner = inner
        self._tool = tool
        self._response_indexes: set[int] = set()
        self._other_tool_called = False

    def feed(self, frames: bytes) -> Sequence[Event]:
        return [rewritten for event in self._inner.feed(frames) for rewritten in self._rewrite(event)]

    def end(self) -> Sequence[Event]:
        return [rewritten for event in self._inner.end() for rewritten in self._rewrite(event)]

    def _rewrite(self, event: Event) -> Sequence[Event]:
        match event:
            case ToolCallStarted(name=self._tool):
                self._response_indexes.add(event.index)
                return ()
            case ToolCallStarted():
                self._other_tool_called = True
                return (event,)
            case ToolCallDelta(index=index, arguments=arguments) if index in self._response_indexes:
                return (TextDelta(arguments),)
            case Finished(reason=FinishReason.TOOL_CALLS) if self._response_indexes and not self._other_tool_called:
                return (Finished(FinishReason.STOP, None, event.raw),)
            case _:
                return (event,)


class CompleteDecoder:
    """A decoder of a non-streaming response: returns all of its events at the end, so that filters can wrap it."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events

    def feed(self, frames: bytes) -> Sequence[Event]:
        del frames
        return ()

    def end(self) -> Sequence[Event]:
        return self._events
