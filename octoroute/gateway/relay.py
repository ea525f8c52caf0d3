"""From an answer that has begun to the client's bytes: the endpoint's own, or their translation. Metered either way.

There is one relay. Its end is told to `Trail.settle` exactly once, whether the answer was read to its end, broke, or was
abandoned by the client.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial

import structlog

from octoroute.dialects.base import Encoder, Inbound
from octoroute.dialects.response.rewrite import ResponseRewriter
from octoroute.dialects.response.sse import KEEP_ALIVE
from octoroute.domain.outcome import Ending, Usage
from octoroute.domain.request import Request
from octoroute.errors import OctorouteError, TooSlow, UpstreamError
from octoroute.gateway.lifecycle import RequestLifecycle
from octoroute.upstream.deadline import Deadline, DeadlineTimer
from octoroute.upstream.readers import Chunk
from octoroute.upstream.response import ResponseStream

KEEP_ALIVE_S = 15.0


log = structlog.stdlib.get_logger("octoroute.relay")


class _Pace:
    """How long the endpoint, and we, have been silent. Times are the loop's. `limit` may strike too early, never too late."""

    __slots__ = ("_heard_at", "_idle_timeout_s", "_keep_alive_s", "_limit", "_now", "_said_at", "has_begun", "must_rest")

    def __init__(self, limit: Deadline, keep_alive_s: float, idle_timeout_s: float) -> None:
        self._limit = limit
        self._keep_alive_s = keep_alive_s
        self._idle_timeout_s = idle_timeout_s
        self._now = asyncio.get_running_loop().time
        self._heard_at = self._said_at = self._now()
        self.has_begun = False
        self.must_rest = False
        """The client has more to read than it should have."""

    def go(self) -> None:
        """From here it is the endpoint who takes time."""
        self._limit.move(min(self._said_at + self._keep_alive_s, self._heard_at + self._idle_timeout_s))

    def heard(self, data: bytes) -> None:
        """`data` came of it for the client."""
        self._heard_at = now = self._now()
        if data:
            self._said_at = now
            self.has_begun = True

    def said(self) -> None:
        self._said_at = self._now()

    def has_heard_nothing(self) -> bool:
        return self._now() >= self._heard_at + self._idle_timeout_s

    def has_said_nothing(self) -> bool:
        return self._now() >= self._said_at + self._keep_alive_s


class Reply:
    """A 200 on its way. Either `body` is the whole answer, or `pieces()` streams it. `close()` settles; it is never awaited."""

    __slots__ = (
        "_encoder",
        "_inbound",
        "_opened",
        "_outward",
        "_patience",
        "_trail",
        "body",
        "decision",
        "endpoint",
        "failure",
        "headers",
        "request",
        "stream",
        "translated",
        "warnings",
    )

    def __init__(
        self,
        request: Request,
        inbound: Inbound,
        opened: ResponseStream,
        lifecycle: RequestLifecycle,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        outward: ResponseRewriter | None = None,
        patience: DeadlineTimer | None = None,
    ) -> None:
        self.request = request
        self.stream = request.stream
        self.headers = headers
        self.body = body
        self.endpoint = opened.endpoint
        self.translated = opened.translated
        self.decision = lifecycle.decision
        self.warnings = lifecycle.warnings
        self._inbound = inbound
        self._opened = opened
        self._trail = lifecycle
        self._outward = outward
        self._patience = patience or DeadlineTimer()
        self._encoder: Encoder | None = None
        self.failure: OctorouteError | None = None
        """What the last piece of a stream that broke tells the client."""

    @classmethod
    async def begin(
        cls,
        request: Request,
        inbound: Inbound,
        opened: ResponseStream,
        lifecycle: RequestLifecycle,
        headers: Mapping[str, str],
        *,
        outward: ResponseRewriter | None = None,
        patience: DeadlineTimer | None = None,
    ) -> Reply:
        """Raises UpstreamError when a whole answer cannot be said in the client's dialect after all."""
        body = None
        if not request.stream:
            part = await opened.read()
            body = part if isinstance(part, bytes) else inbound.encode_response(request, part or ())
            if outward is not None:
                body = outward.rewrite_body(body)
        return cls(request, inbound, opened, lifecycle, headers, body, outward=outward, patience=patience)

    async def pieces(self, keep_alive_s: float = KEEP_ALIVE_S, say: Callable[[bytes], bool] | None = None) -> AsyncIterator[bytes]:
        """The stream. A failure is its last piece, in the client's dialect; nothing is raised but the caller's own cancellation.

        With `say`, what arrives while the next piece is waited for may be said there and then. When that returns True, whoever
        hears it has enough for now: an empty piece is given out, so that one can wait for him.
        """
        read, idle_timeout_s = self._opened.read, self._opened.endpoint.idle_timeout_s
        try:
            with self._patience.limit(math.inf) as limit:
                pace = _Pace(limit, keep_alive_s, idle_timeout_s)
                if say is not None:
                    self._opened.pass_on(partial(self._pass_on, say, pace))
                while True:
                    pace.go()
                    try:
                        part = await read()
                    except asyncio.CancelledError:
                        if not limit.expired_here():
                            raise
                        if pace.has_heard_nothing():
                            raise TooSlow(f"the upstream fell silent for {idle_timeout_s:g} s") from None
                        limit.until = math.inf
                        if pace.has_said_nothing():
                            yield self._inbound.keep_alive if pace.has_begun else KEEP_ALIVE  # nothing else may come first
                            pace.said()
                        continue
                    limit.until = math.inf  # from here it is the client who takes time
                    if part is None:
                        break
                    data = self._say(part)
                    if data or pace.must_rest:
                        pace.must_rest = False
                        yield data
                    pace.heard(data)  # only now: a client that reads slowly is not the upstream's silence
            self._trail.finish(Ending.ANSWERED)
        except UpstreamError as error:
            self._trail.finish(Ending.BROKEN, error)
            yield self._failure(error)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except Exception:
            log.exception("relay failed", request_id=self.request.id)
            error = OctorouteError("the gateway failed while relaying the answer")
            self._trail.finish(Ending.BROKEN, error)
            yield self._failure(error)

    @property
    def usage(self) -> Usage | None:
        """As the provider has counted so far."""
        return self._opened.progress.usage

    def delivered(self) -> None:
        """The whole answer has been handed to the client."""
        self._trail.finish(Ending.ANSWERED)

    def close(self) -> None:
        """Settle. Without an ending by now, the client has left."""
        self._trail.settle()

    def _pass_on(self, say: Callable[[bytes], bool], pace: _Pace, part: Chunk) -> bool:
        data = self._say(part)
        if data and say(data):
            pace.must_rest = True
        pace.heard(data)
        return not pace.must_rest

    def _say(self, part: Chunk) -> bytes:
        if isinstance(part, bytes):
            data = part
        else:
            if self._encoder is None:
                self._encoder = self._inbound.encoder(self.request)
            data = self._encoder.encode(part)
        return data if self._outward is None else self._outward.rewrite_frames(data)

    def _failure(self, error: OctorouteError) -> bytes:
        self.failure = error
        if self._encoder is not None:
            return self._encoder.fail(error, self.request.id)
        return self._inbound.error_event(error, self.request.id)
