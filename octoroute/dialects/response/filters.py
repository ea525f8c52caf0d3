"""Decoders around decoders: what a server did not do to its answer is done here. Pure; one of each an answer.

`StopAt` enforces stop sequences that the server does not take; `ThinkTags` tells thinking that a server left in the text.
"""

from __future__ import annotations

from collections.abc import Sequence

from octoroute.dialects.base import Decoder
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)

_OPEN, _CLOSE = "<think>", "</think>"


class StopSequenceFilter:
    """Holds back as much text as could be the start of a stop sequence, and cuts the answer at the first one that is met."""

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
                if isinstance(event, UsageReported):
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
        met = min(found, default=None)  # the one complete first, as if the model had stopped there
        if met is not None:
            self._held = text[: met[1]]
            self._release(out)
            self._stopped = True
            out.append(Finished(FinishReason.STOP, met[2], "stop"))
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
    """A leading `<think>…</think>` becomes thinking, also when the tags are cut across events; unclosed, all of it is thinking."""

    def __init__(self, inner: Decoder) -> None:
        self._inner = inner
        self._held = ""
        self._state = "before"

    def feed(self, frames: bytes) -> Sequence[Event]:
        return self._split(self._inner.feed(frames))

    def end(self) -> Sequence[Event]:
        return self._split(self._inner.end())

    def _split(self, events: Sequence[Event]) -> Sequence[Event]:
        if self._state == "after" and not self._held:
            return events
        out: list[Event] = []
        for event in events:
            if isinstance(event, TextDelta):
                self._held += event.text
                self._advance(out)
            else:
                if isinstance(event, Finished | Failed | ToolCallStarted):
                    self._release(out)
                out.append(event)
        return out

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
            thought, closed, rest = self._held.partition(_CLOSE)
            if not closed:
                keep = next(
                    (size for size in range(min(len(_CLOSE) - 1, len(thought)), 0, -1) if _CLOSE.startswith(thought[-size:])), 0
                )
                thought, rest = thought[: len(thought) - keep], thought[len(thought) - keep :]
            if thought:
                out.append(ThinkingDelta(thought))
            self._held = rest
            if closed:
                self._state = "between"
        if self._state == "between":
            self._held = self._held.lstrip("\n")
            if self._held:
                self._state = "after"
        if self._state == "after" and self._held:
            out.append(TextDelta(self._held))
            self._held = ""

    def _release(self, out: list[Event]) -> None:
        if self._held:
            out.append((ThinkingDelta if self._state in {"opened", "thinking"} else TextDelta)(self._held))
            self._held = ""


class ResponseToolFilter:
    """The input of one tool, which was forced so that the answer is structured, becomes the answer's text."""

    def __init__(self, inner: Decoder, tool: str) -> None:
        self._inner = inner
        self._tool = tool
        self._response_indexes: set[int] = set()
        self._other_tool_called = False

    def feed(self, frames: bytes) -> Sequence[Event]:
        return [shown for event in self._inner.feed(frames) for shown in self._rewrite(event)]

    def end(self) -> Sequence[Event]:
        return [shown for event in self._inner.end() for shown in self._rewrite(event)]

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
    """An answer that is here already, as a decoder for the others to stand around."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events

    def feed(self, frames: bytes) -> Sequence[Event]:
        del frames
        return ()

    def end(self) -> Sequence[Event]:
        return self._events
