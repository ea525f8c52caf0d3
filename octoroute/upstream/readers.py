"""How an endpoint's response is read: its own bytes with a usage tap on them, or decoded to events. No sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from octoroute.dialects.base import Outbound, Progress
from octoroute.dialects.openai.pass_through import read_passed_usage
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event, Failed
from octoroute.domain.outcome import Usage
from octoroute.errors import BadUpstreamResponse, UpstreamError

Chunk = bytes | Sequence[Event]
"""A piece of a response: bytes to pass on, or events to encode."""


class ResponseReader(Protocol):
    progress: Progress
    translates: bool
    """The chunks are not the endpoint's own bytes."""

    def feed(self, frames: bytes) -> Chunk: ...

    def before_failure(self, frames: bytes) -> Chunk:
        """What precedes the failure in the frames last fed."""
        ...

    def end(self, rest: bytes) -> Chunk | None:
        """The stream has ended; `rest`: its unfinished frame."""
        ...

    def read_body(self, body: bytes) -> Chunk:
        """A whole response."""
        ...


class PassThroughReader:
    """The endpoint's bytes, unchanged; a tap reads usage and finish from them."""

    __slots__ = ("_outbound", "_tap", "progress")
    translates = False

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._tap = outbound.tap()
        self.progress = self._tap.progress

    def feed(self, frames: bytes) -> Chunk:
        self._tap.feed(frames)
        return frames

    def before_failure(self, frames: bytes) -> Chunk:
        tap = self._outbound.tap()
        size = 0
        for frame in self._outbound.framer().split(frames):
            try:
                tap.feed(frame)
            except UpstreamError:
                break
            if tap.progress.failure is not None:
                break
            size += len(frame)
        return frames[:size]

    def end(self, rest: bytes) -> Chunk | None:
        if rest.strip():
            self._tap.feed(rest)
        return rest or None

    def read_body(self, body: bytes) -> Chunk:
        self._tap.feed_body(body)
        return body


class PassedReader:
    """The endpoint's bytes, of whatever type; usage is read from a whole JSON body that reports it."""

    __slots__ = ("progress",)
    translates = False

    def __init__(self) -> None:
        self.progress = Progress()

    def feed(self, frames: bytes) -> Chunk:
        self.progress.started = True
        return frames

    def before_failure(self, frames: bytes) -> Chunk:  # noqa: ARG002 - no failure is read from bytes of unknown type
        return b""

    def end(self, rest: bytes) -> Chunk | None:
        self.progress.started = self.progress.finished = True
        return rest or None

    def read_body(self, body: bytes) -> Chunk:
        self.progress.started = self.progress.finished = True
        self.progress.usage = read_passed_usage(body)
        return body


class UnframedBytes:
    """The `Framer` of a response that has no frames, such as audio: every piece is passed on as it arrives."""

    rest = b""

    def feed(self, data: bytes) -> bytes:
        return data

    def split(self, frames: bytes) -> Iterator[bytes]:
        yield frames


class DecodingReader:
    """Events, for an encoder of another dialect."""

    __slots__ = ("_conversation", "_decoder", "_endpoint", "_last", "_outbound", "progress")
    translates = True

    def __init__(self, outbound: Outbound, conversation: Conversation | None, endpoint: Endpoint) -> None:
        self._outbound = outbound
        self._conversation = conversation
        self._endpoint = endpoint
        self._decoder = outbound.decoder(conversation, endpoint)
        self._last: Sequence[Event] = ()
        """Of the frames last fed."""
        self.progress = Progress()

    def feed(self, frames: bytes) -> Chunk:
        self._last = ()  # should feed() raise now, the events before it have been delivered already
        self._last = self._observe(self._decoder.feed(frames))
        return self._last

    def before_failure(self, frames: bytes) -> Chunk:  # noqa: ARG002 - a decoder cannot read the same frames twice
        last, self._last = self._last, ()
        return [event for event in last if not isinstance(event, Failed)]

    def end(self, rest: bytes) -> Chunk | None:
        last = list(self._decoder.feed(rest)) if rest.strip() else []
        return self._observe([*last, *self._decoder.end()]) or None

    def read_body(self, body: bytes) -> Chunk:
        return self._observe(self._outbound.decode_response(body, self._conversation, self._endpoint))

    def _observe(self, events: Sequence[Event]) -> Sequence[Event]:
        if not isinstance(events, (list, tuple)):
            events = list(events)  # a plug-in's generator could be read only once
        self.progress.observe(events)
        return events


class _BodyReader:
    """For responses that are always whole."""

    __slots__ = ("progress",)
    translates = True

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def feed(self, frames: bytes) -> Chunk:
        raise NotImplementedError

    def before_failure(self, frames: bytes) -> Chunk:
        raise NotImplementedError

    def end(self, rest: bytes) -> Chunk | None:
        raise NotImplementedError


class SingleChunkReader(_BodyReader):
    """A whole response in the client's format, made into a stream of one chunk for a client that asked for a stream.

    For interfaces whose whole and streamed responses look the same: the legacy Completions.
    """

    __slots__ = ("_tap",)

    def __init__(self, outbound: Outbound) -> None:
        self._tap = outbound.tap()
        super().__init__(self._tap.progress)

    def read_body(self, body: bytes) -> Chunk:
        self._tap.feed_body(body)
        try:
            data = msgspec.json.format(body, indent=-1)
        except (ValueError, RecursionError):  # the tap does not read all of it
            raise BadUpstreamResponse("the upstream's answer is not JSON") from None
        return b"data: " + data + b"\n\ndata: [DONE]\n\n"


class AdapterReader(_BodyReader):
    """A whole response of another interface than chat, translated by an `ApiAdapter`."""

    __slots__ = ("_decode",)

    def __init__(self, decode: Callable[[bytes], tuple[bytes, Usage | None]]) -> None:
        super().__init__(Progress())
        self._decode = decode

    def read_body(self, body: bytes) -> Chunk:
        translated, self.progress.usage = self._decode(body)
        self.progress.started = self.progress.finished = True
        return translated


def join(chunks: Sequence[Chunk]) -> Chunk:
    """One chunk of several, which are all bytes or all events."""
    if len(chunks) == 1:
        return chunks[0]
    if all(isinstance(chunk, bytes) for chunk in chunks):
        return b"".join(chunk for chunk in chunks if isinstance(chunk, bytes))
    return [event for chunk in chunks if not isinstance(chunk, bytes) for event in chunk]
