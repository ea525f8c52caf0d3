"""An answer that has begun. It exists if and only if its first event has arrived; a whole answer is a stream of one event."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from octoroute.dialects.base import Outbound, Progress
from octoroute.dialects.response.errors import error_from_event
from octoroute.dialects.response.sse import FrameSplitter
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event, FinishReason, RedactedThinking, RefusalDelta, TextDelta, ThinkingDelta, ToolCallStarted
from octoroute.errors import BadUpstreamResponse, UpstreamError
from octoroute.upstream.readers import Chunk, DecodingReader, PassThroughReader, ResponseReader, join
from octoroute.upstream.status import forwarded_headers
from octoroute.upstream.transports.base import Sink, TransportResponse

MAX_COMMENTS_BYTES = 1024 * 1024
"""How much may come before the first event: keep-alive comments, not a novel."""
END_S = 0.05
"""How long the end of a transfer is waited for when all has been said: its connection can then be used again."""
WORDLESS_TOKENS = 4
"""What an end of turn may cost; more was spent on something we do not see."""
_WORDS = (TextDelta, ThinkingDelta, RedactedThinking, RefusalDelta, ToolCallStarted)


ChunkSink: TypeAlias = Callable[[Chunk], bool]
"""Takes a part of an answer and says whether it will take the next one, too."""


class ResponseStream(Protocol):
    """What an `Opened` is to those who read it."""

    endpoint: Endpoint
    headers: Mapping[str, str]
    stream: bool

    @property
    def progress(self) -> Progress: ...

    @property
    def translated(self) -> bool: ...

    async def read(self) -> Chunk | None: ...

    def pass_on(self, sink: ChunkSink) -> None:
        """From now on `read` may hand parts to `sink` as they arrive, instead of giving them out."""
        ...

    def close(self) -> None: ...


class UpstreamResponse:
    """An answer that has begun. `read()` gives what follows; `close()` it, however it ends."""

    __slots__ = (
        "_ahead", "_answer", "_cutter", "_failure", "_reader", "_sink", "endpoint", "headers", "progress", "recorder", "stream",
    )  # fmt: skip

    def __init__(
        self, endpoint: Endpoint, answer: TransportResponse, reader: ResponseReader, cutter: FrameSplitter | None, first: Chunk
    ) -> None:
        self.endpoint = endpoint
        self.headers: Mapping[str, str] = forwarded_headers(answer.headers)
        self.stream = cutter is not None
        self._answer = answer
        self._reader = reader
        self._cutter = cutter
        self._ahead: list[Chunk] = [first]
        self.progress: Progress = reader.progress
        self.recorder: Callable[[Chunk], None] | None = None
        """Told of each part as it is read."""
        self._failure: Exception | None = None
        self._sink: ChunkSink | None = None

    @property
    def translated(self) -> bool:
        """Its parts are not the endpoint's own bytes."""
        return not isinstance(self._reader, PassThroughReader)

    async def read(self) -> Chunk | None:
        """The next part: the endpoint's own bytes, or their events; None at the answer's proper end. With a sink it may be b"",
        which is news only for those who look after the sink.

        Raises Broke when it ends without its finish; what the upstream reports as an error is raised as that error.
        """
        part: Chunk | None
        if self._ahead:
            part = self._ahead.pop(0)
        elif self._failure is not None:
            raise self._failure
        else:
            part = None
            while part is None and self._cutter is not None:
                if self.progress.over:
                    await self._drain_trailer()
                    break
                try:
                    data = await (self._answer.chunk() if self._sink is None else self._answer.flow(self._arrived))
                except BadUpstreamResponse:
                    if not self.progress.finished:
                        raise
                    self._cutter = None  # all is said; how the connection ended is nobody's concern
                    break
                if data is None:
                    part = b""
                elif not data:
                    part = self._end()
                elif frames := self._cutter.feed(data):
                    part = self._read(frames)
        if self.recorder is not None and part is not None:
            self.recorder(part)
        return part

    def pass_on(self, sink: ChunkSink) -> None:
        if self.recorder is None:
            self._sink = sink

    def _arrived(self, data: bytes) -> bool:
        """In the middle of an answer, while somebody waits in `read`: there are a few thousand of these a second."""
        assert self._cutter is not None
        assert self._sink is not None
        goes_on = True
        try:
            frames = self._cutter.feed(data)
            if frames:
                goes_on = self._sink(self._read(frames))
        except Exception as error:  # noqa: BLE001 - `read` raises it
            self._failure = error
        return goes_on and self._failure is None and not self.progress.over

    def put_back(self, parts: Iterable[Chunk]) -> None:
        """They are read again, before anything else."""
        self._ahead[:0] = parts

    async def _drain_trailer(self) -> None:
        """All is said. What else comes, or does not, or how the connection ends, is nobody's concern."""
        self._cutter = None
        with contextlib.suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(END_S):
                while await self._answer.chunk():
                    pass

    def _read(self, frames: bytes) -> Chunk:
        """What arrived together with a failure, but before it, is delivered before it is raised."""
        try:
            part = self._reader.feed(frames)
            self.raise_failure()
        except UpstreamError as error:
            part = self._reader.before_failure(frames)
            if not part:
                raise
            if not self.progress.over or self.progress.failure is not None:
                self._failure = error
        return part

    def _end(self) -> Chunk | None:
        """The connection has ended well; has the answer?"""
        assert self._cutter is not None
        rest, self._cutter = self._cutter.rest, None
        part = self._reader.end(rest)
        self.raise_failure()
        if not self.progress.finished:
            raise BadUpstreamResponse("the upstream's answer stopped before its end")
        return part

    def raise_failure(self) -> None:
        if self.progress.failure is not None:
            raise error_from_event(self.progress.failure)

    def is_empty(self, outbound: Outbound, *, framed: bool) -> bool:
        """An answer that is over and was none. One that was cut short, refused, or paid for in tokens is not meant."""
        progress = self.progress
        if not progress.finished or progress.output_chars or progress.reason not in {None, FinishReason.STOP}:
            return False
        if progress.usage is not None and progress.usage.output_tokens > WORDLESS_TOKENS:
            return False
        try:
            return not any(isinstance(event, _WORDS) for event in self._events(outbound, framed=framed))
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
        self._sink = None  # which holds whoever holds us
        self._answer.close()


class PreCommitBuffer:
    """The beginning of a stream, held back until it is known to be one."""

    __slots__ = ("_answer", "_held", "_reader", "_size", "cutter")

    def __init__(self, answer: TransportResponse, reader: ResponseReader) -> None:
        self._answer = answer
        self._reader = reader
        self._held: list[Chunk] = []
        self._size = 0
        self.cutter = FrameSplitter()

    @property
    def chunk(self) -> Chunk:
        return join(self._held)

    async def more(self) -> bool:
        """False when that was all. Raises Broke when it is no answer."""
        progress = self._reader.progress
        data = await self._answer.chunk()
        if not data:
            last = self._reader.end(self.cutter.rest)
            if not progress.finished and progress.failure is None:
                raise BadUpstreamResponse("the upstream's answer ended before it began")
            if last:
                self._held.append(last)
            return False
        self._size += len(data)
        if self._size > MAX_COMMENTS_BYTES and not progress.started and len(self.cutter.rest) < self._size // 2:
            raise BadUpstreamResponse("the upstream sent comments without end and no answer")
        frames = self.cutter.feed(data)
        if frames:
            self._held.append(self._reader.feed(frames))
        return True


class _NoResponse:
    """In the place of an endpoint's answer, where nobody was asked."""

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
    """The answer that `endpoint` would give, made without it."""
    reader = DecodingReader(outbound, None, endpoint)
    reader.progress.observe(events)
    return UpstreamResponse(endpoint, _NoResponse(), reader, None, events)
