"""How an endpoint's answer is read: its own bytes, read along, or their meaning as events. No sockets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from octoroute.dialects.base import Outbound, Progress
from octoroute.dialects.response.sse import split
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event, Failed
from octoroute.domain.outcome import Usage
from octoroute.errors import BadUpstreamResponse

Chunk = bytes | Sequence[Event]
"""A piece of an answer: wire bytes to pass on, or events to encode."""


class ResponseReader(Protocol):
    """What both ways of reading an answer have in common."""

    progress: Progress

    def feed(self, frames: bytes) -> Chunk: ...

    def before_failure(self, frames: bytes) -> Chunk:
        """The good part of the frames last fed, among which a failure was."""
        ...

    def end(self, rest: bytes) -> Chunk | None: ...

    def read_body(self, body: bytes) -> Chunk: ...


class PassThroughReader:
    """The endpoint's bytes, read along."""

    __slots__ = ("_outbound", "_tap", "progress")

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._tap = outbound.tap()
        self.progress = self._tap.progress

    def feed(self, frames: bytes) -> Chunk:
        self._tap.feed(frames)
        return frames

    def before_failure(self, frames: bytes) -> Chunk:
        tap = self._outbound.tap()
        good = 0
        for frame in split(frames):
            try:
                tap.feed(frame)
            except BadUpstreamResponse:
                break
            if tap.progress.failure is not None:
                break
            good += len(frame)
        return frames[:good]

    def end(self, rest: bytes) -> Chunk | None:
        if rest.strip():
            self._tap.feed(rest)
        return rest or None

    def read_body(self, body: bytes) -> Chunk:
        self._tap.feed_body(body)
        return body


class DecodingReader:
    """Events, for an encoder of another dialect."""

    __slots__ = ("_conversation", "_decoder", "_endpoint", "_last", "_outbound", "progress")

    def __init__(self, outbound: Outbound, conversation: Conversation | None, endpoint: Endpoint) -> None:
        self._outbound = outbound
        self._conversation = conversation
        self._endpoint = endpoint
        self._decoder = outbound.decoder(conversation, endpoint)
        self._last: Sequence[Event] = ()
        self.progress = Progress()

    def feed(self, frames: bytes) -> Chunk:
        self._last = ()  # what feed() gave before has been told, should it raise now
        self._last = self._decoder.feed(frames)
        return self._observe(self._last)

    def before_failure(self, frames: bytes) -> Chunk:  # noqa: ARG002 - a decoder has a memory and is not asked twice
        last, self._last = self._last, ()
        return [event for event in last if not isinstance(event, Failed)]

    def end(self, rest: bytes) -> Chunk | None:
        last = list(self._decoder.feed(rest)) if rest.strip() else []
        return self._observe([*last, *self._decoder.end()]) or None

    def read_body(self, body: bytes) -> Chunk:
        return self._observe(self._outbound.decode_response(body, self._conversation, self._endpoint))

    def _observe(self, events: Sequence[Event]) -> Sequence[Event]:
        self.progress.observe(events)
        return events


class _BodyReader:
    """For answers that never come in pieces."""

    __slots__ = ("progress",)

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def feed(self, frames: bytes) -> Chunk:
        raise NotImplementedError

    def before_failure(self, frames: bytes) -> Chunk:
        raise NotImplementedError

    def end(self, rest: bytes) -> Chunk | None:
        raise NotImplementedError


class SingleChunkReader(_BodyReader):
    """A whole answer of the client's format to somebody who waits for a stream of pieces that look the same: its only piece."""

    __slots__ = ("_tap",)

    def __init__(self, outbound: Outbound) -> None:
        self._tap = outbound.tap()
        super().__init__(self._tap.progress)

    def read_body(self, body: bytes) -> Chunk:
        self._tap.feed_body(body)
        try:
            data = msgspec.json.format(body, indent=-1)
        except (ValueError, RecursionError):  # a tap does not look at all of it
            raise BadUpstreamResponse("the upstream's answer is not JSON") from None
        return b"data: " + data + b"\n\ndata: [DONE]\n\n"


class AdapterReader(_BodyReader):
    """A whole answer in other words."""

    __slots__ = ("_reading",)

    def __init__(self, reading: Callable[[bytes], tuple[bytes, Usage | None]]) -> None:
        super().__init__(Progress())
        self._reading = reading

    def read_body(self, body: bytes) -> Chunk:
        answer, self.progress.usage = self._reading(body)
        self.progress.started = self.progress.finished = True
        return answer


def join(parts: Sequence[Chunk]) -> Chunk:
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, bytes) for part in parts):
        return b"".join(part for part in parts if isinstance(part, bytes))
    return [event for part in parts if not isinstance(part, bytes) for event in part]
