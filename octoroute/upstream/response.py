"""A response that has begun: it exists if and only if its first event has arrived. A whole response is a stream of one event."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from octoroute.dialects.base import Framer, Outbound, Progress
from octoroute.dialects.response.upstream_error import error_from_event
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import (
    Event,
    FinishReason,
    ImageProduced,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ToolCallStarted,
)
from octoroute.errors import BadUpstreamResponse, OctorouteError, UpstreamError
from octoroute.upstream.own_secrets import mask_error
from octoroute.upstream.providers.plugins import plugin_failure
from octoroute.upstream.readers import Chunk, DecodingReader, ResponseReader, join
from octoroute.upstream.status import forwarded_headers
from octoroute.upstream.transports.base import Sink, TransportResponse

MAX_COMMENTS_BYTES = 1024 * 1024
"""Bytes that may arrive before the first event: keep-alive comments are short."""
TRAILER_S = 0.05
"""After the last event, wait at most this long for the transfer to end: its connection can then be used again."""
MAX_EMPTY_TOKENS = 4
"""Output tokens that ending an empty turn may cost; with more, the model has produced something that is not in the response."""
_CONTENT = (TextDelta, ThinkingDelta, ThinkingRedacted, ImageProduced, RefusalDelta, ToolCallStarted)


ChunkSink: TypeAlias = Callable[[Chunk], bool]
"""Takes a chunk and says whether it takes the next one, too."""


class ResponseStream(Protocol):
    """The interface of a begun response: an endpoint's, or a cached one."""

    endpoint: Endpoint
    headers: Mapping[str, str]
    stream: bool

    @property
    def progress(self) -> Progress: ...

    @property
    def translated(self) -> bool:
        """Its chunks are not the endpoint's own bytes."""
        ...

    async def read(self) -> Chunk | None:
        """The next chunk; None at the end."""
        ...

    def pass_on(self, sink: ChunkSink) -> None:
        """From now on `read` may hand chunks to `sink` as they arrive, instead of returning them."""
        ...

    def close(self) -> None: ...


class UpstreamResponse:
    """An endpoint's response. `read()` returns its chunks; `close()` it, however it ends."""

    __slots__ = (
        "_ahead",
        "_failure",
        "_framer",
        "_reader",
        "_recorder",
        "_response",
        "_sink",
        "endpoint",
        "headers",
        "progress",
        "stream",
    )  # fmt: skip

    def __init__(
        self, endpoint: Endpoint, response: TransportResponse, reader: ResponseReader, framer: Framer | None, first: Chunk
    ) -> None:
        """`framer`: of a stream that goes on; None: `first` is all."""
        self.endpoint = endpoint
        self.headers: Mapping[str, str] = forwarded_headers(response.headers)
        self.stream = framer is not None
        self._response = response
        self._reader = reader
        self._framer = framer
        self._ahead: list[Chunk] = [first]
        self.progress: Progress = reader.progress
        self._recorder: Callable[[Chunk], None] | None = None
        """Called with each chunk as it is read."""
        self._failure: Exception | None = None
        """Raised by the next `read`."""
        self._sink: ChunkSink | None = None

    @property
    def translated(self) -> bool:
        return self._reader.translates

    async def read(self) -> Chunk | None:
        """The next chunk: the endpoint's own bytes, or their events; None at the response's proper end. With a sink it may be b"":
        the sink takes no more for now.

        Raises BadUpstreamResponse when the response ends before its last event; an error that the endpoint reports is raised as
        that error.
        """
        chunk: Chunk | None = None
        if self._ahead:
            chunk = self._ahead.pop(0)
        else:
            try:
                if self._failure is not None:
                    raise self._failure  # noqa: TRY301 - of the chunk before, treated like one of this chunk
                while chunk is None and self._framer is not None:
                    if self.progress.over:
                        await self._drain_trailer()
                        break
                    try:
                        data = await (self._response.chunk() if self._sink is None else self._response.flow(self._on_data))
                    except BadUpstreamResponse:
                        if not self.progress.finished:
                            raise
                        self._framer = None  # the response is complete; how the connection ended does not matter
                        break
                    if data is None:
                        chunk = b""
                    elif not data:
                        chunk = self._end()
                    elif frames := self._framer.feed(data):
                        chunk = self._read(frames)
            except OctorouteError as error:
                mask_error(error, self.endpoint)
                raise
            except Exception as error:
                raise plugin_failure(self.endpoint.kind, error) from error
        if self._recorder is not None and chunk is not None:
            self._recorder(chunk)
        return chunk

    def record(self, recorder: Callable[[Chunk], None]) -> None:
        """Call `recorder` with each chunk from the next one on."""
        self._recorder = recorder

    def pass_on(self, sink: ChunkSink) -> None:
        if self._recorder is None:
            self._sink = sink

    def _on_data(self, data: bytes) -> bool:
        """The transport calls it while `read` waits, some thousand times a second, and no task is woken for it."""
        assert self._framer is not None
        assert self._sink is not None
        takes_more = True
        try:
            frames = self._framer.feed(data)
            if frames:
                takes_more = self._sink(self._read(frames))
        except Exception as error:  # noqa: BLE001 - `read` raises it
            self._failure = error
        return takes_more and self._failure is None and not self.progress.over

    def put_back(self, chunks: Iterable[Chunk]) -> None:
        """The next `read` returns them first."""
        self._ahead[:0] = chunks

    async def _drain_trailer(self) -> None:
        """Read to the end of the transfer, so that the connection can be used again; bytes and errors after the last event are
        ignored.
        """
        self._framer = None
        with contextlib.suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(TRAILER_S):
                while await self._response.chunk():
                    pass

    def _read(self, frames: bytes) -> Chunk:
        """What arrived before a failure, in the same frames, is delivered before the failure is raised."""
        try:
            chunk = self._reader.feed(frames)
            if self.progress.failure is not None:
                self.raise_failure()
        except UpstreamError as error:
            chunk = self._reader.before_failure(frames)
            if not chunk:
                raise
            if not self.progress.over or self.progress.failure is not None:
                self._failure = error
        return chunk

    def _end(self) -> Chunk | None:
        """The transfer has ended cleanly. Raises BadUpstreamResponse unless the response has, too."""
        assert self._framer is not None
        rest, self._framer = self._framer.rest, None
        chunk = self._reader.end(rest)
        self.raise_failure()
        if not self.progress.finished:
            raise BadUpstreamResponse("the upstream's answer stopped before its end")
        return chunk

    def raise_failure(self) -> None:
        """Raise the error that the endpoint has reported inside its response, if any."""
        if self.progress.failure is not None:
            raise error_from_event(self.progress.failure)

    def is_empty(self, outbound: Outbound, *, framed: bool) -> bool:
        """True if the response finished normally with no text, thinking, refusal, or tool call, and no tokens spent on them."""
        progress = self.progress
        if not progress.finished or progress.output_chars or progress.reason not in {None, FinishReason.STOP}:
            return False
        if progress.usage is not None and progress.usage.output_tokens > MAX_EMPTY_TOKENS:
            return False
        try:
            return not any(isinstance(event, _CONTENT) for event in self._events(outbound, framed=framed))
        except UpstreamError:
            return False

    def _events(self, outbound: Outbound, *, framed: bool) -> Sequence[Event]:
        first = self._ahead[0]
        if not isinstance(first, bytes):
            return first
        if not framed:
            return outbound.decode_response(first)
        decoder = outbound.decoder()
        return [*decoder.feed(first), *decoder.end()]

    def close(self) -> None:
        self._sink = None  # it refers to the relay, which refers to this
        self._response.close()


class PreCommitBuffer:
    """The beginning of a stream, held until its first event has arrived."""

    __slots__ = ("_chunks", "_reader", "_size", "ended", "framer")

    def __init__(self, reader: ResponseReader, framer: Framer) -> None:
        self._reader = reader
        self._chunks: list[Chunk] = []
        self._size = 0
        """Bytes fed."""
        self.framer = framer
        self.ended = False
        """The transfer is over."""

    @property
    def chunk(self) -> Chunk:
        """What has been held."""
        return join(self._chunks)

    def feed(self, data: bytes) -> None:
        """The next bytes; b"": the transfer has ended. Raises BadUpstreamResponse when they are no response."""
        progress = self._reader.progress
        if not data:
            self.ended = True
            last = self._reader.end(self.framer.rest)
            if not progress.finished and progress.failure is None:
                raise BadUpstreamResponse("the upstream's answer ended before it began")
            if last:
                self._chunks.append(last)
            return
        self._size += len(data)
        if self._size > MAX_COMMENTS_BYTES and not progress.started and len(self.framer.rest) < self._size // 2:
            raise BadUpstreamResponse("the upstream sent only keep-alive comments and no answer")
        frames = self.framer.feed(data)
        if frames:
            self._chunks.append(self._reader.feed(frames))


class _NoResponse:
    """A transport response with no body, for responses synthesised locally."""

    status = 200
    headers: Mapping[str, str] = {}

    async def chunk(self) -> bytes:
        return b""

    async def flow(self, sink: Sink) -> bytes | None:  # noqa: ARG002
        return b""

    async def body(self, limit: int) -> bytes:  # noqa: ARG002 - there is none
        return b""

    def close(self) -> None:
        pass


def synthetic_response(endpoint: Endpoint, outbound: Outbound, events: Sequence[Event]) -> UpstreamResponse:
    """The response that `endpoint` would send, made without sending a request."""
    reader = DecodingReader(outbound, None, endpoint)
    reader.progress.observe(events)
    return UpstreamResponse(endpoint, _NoResponse(), reader, None, events)
