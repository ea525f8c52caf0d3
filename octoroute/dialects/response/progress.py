"""How far a response has come, whether its bytes pass through or are translated."""

from __future__ import annotations

from collections.abc import Iterable

from octoroute.dialects.response.usage import IMAGE_CHARS
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ImageProduced,
    Ping,
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


class Progress:
    """How far a response has come; the relay and the outcome sink read it, whether the response is translated or not."""

    __slots__ = ("failure", "finished", "output_chars", "over", "reason", "started", "usage")

    def __init__(self) -> None:
        self.started = False
        """An event has arrived: the commit point."""
        self.finished = False
        """The format's own end has been seen; a stream that ends without it is a failure."""
        self.over = False
        """The format's last event has been seen: bytes that follow are not part of the response."""
        self.reason: FinishReason | None = None
        self.failure: Failed | None = None
        """An error that the endpoint reported inside its response."""
        self.usage: Usage | None = None
        self.output_chars = 0
        """Characters of text, thinking, and arguments; usage is estimated from them when the endpoint reports none."""

    @property
    def has_content(self) -> bool:
        """The response has text, has finished, or has failed: waiting longer would not tell more about its beginning."""
        return self.finished or self.output_chars > 0 or self.failure is not None

    def fail(self, failed: Failed | None) -> None:
        """Note an error that the endpoint reported in its response; None: it reported none."""
        if failed is not None:
            self.started = True
            self.failure = failed

    def observe(self, events: Iterable[Event]) -> None:
        """Update from decoded events (the translating relay). Raises TypeError for an object that is not an event."""
        for event in events:
            match event:
                case TextDelta(text=text) | ThinkingDelta(text=text) | ToolCallDelta(arguments=text):
                    self.started = True
                    self.output_chars += len(text)
                case ImageProduced():
                    self.started = True
                    self.output_chars += IMAGE_CHARS
                case UsageReported(usage=usage):
                    self.usage = usage
                case Finished(reason=reason):
                    self.started = self.finished = self.over = True
                    self.reason = reason
                case Failed():
                    self.fail(event)
                case Started(usage=usage):
                    self.started = True
                    self.usage = usage or self.usage
                case ToolCallStarted() | ThinkingSigned() | ThinkingRedacted() | RefusalDelta() | SourceCited() | Ping():
                    self.started = True
                case _:  # a plug-in's decoder is not type-checked here
                    raise TypeError(f"{type(event).__name__} is not an event")
