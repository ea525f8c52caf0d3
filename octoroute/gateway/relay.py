"""Relays a response that has begun to the client: the endpoint's own bytes, or their translation.

Every reply is settled exactly once, whether the response was read to its end, broke, or was abandoned by the client.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial

import structlog

from octoroute.dialects.base import Encoder, Inbound
from octoroute.dialects.response.rewrite import ResponseRewriter
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import PASSED_TIERS, Endpoint
from octoroute.domain.outcome import Ending, Usage
from octoroute.domain.request import Request
from octoroute.errors import OctorouteError, RequestCancelled, TooSlow, UpstreamError
from octoroute.gateway.lifecycle import RequestLifecycle
from octoroute.upstream.deadline import Deadline, DeadlineTimer
from octoroute.upstream.readers import Chunk
from octoroute.upstream.response import ResponseStream

KEEP_ALIVE_S = 15.0

log = structlog.stdlib.get_logger("octoroute.relay")


class _Pace:
    """How long the endpoint, and the gateway, have been silent. Times are the loop's clock.

    `deadline` may expire too early, never too late: it is moved when a wait begins, and checked when it expires.
    """

    __slots__ = (
        "_deadline", "_idle_timeout_s", "_keep_alive_s", "_now", "_received_at", "_sent_at", "client_is_behind", "has_begun",
    )  # fmt: skip

    def __init__(self, deadline: Deadline, keep_alive_s: float, idle_timeout_s: float) -> None:
        self._deadline = deadline
        self._keep_alive_s = keep_alive_s
        self._idle_timeout_s = idle_timeout_s
        self._now = asyncio.get_running_loop().time
        self._received_at = self._sent_at = self._now()
        self.has_begun = False
        self.client_is_behind = False
        """The client has as much to read as it should have: stop reading from the endpoint."""

    def start_wait(self) -> None:
        """From here on the time is the endpoint's."""
        self._deadline.move(min(self._sent_at + self._keep_alive_s, self._received_at + self._idle_timeout_s))

    def received(self, data: bytes) -> None:
        """A part has arrived; `data` is what it became for the client."""
        self._received_at = now = self._now()
        if data:
            self._sent_at = now
            self.has_begun = True

    def sent(self) -> None:
        self._sent_at = self._now()

    def endpoint_is_silent(self) -> bool:
        return self._now() >= self._received_at + self._idle_timeout_s

    def keep_alive_is_due(self) -> bool:
        return self._now() >= self._sent_at + self._keep_alive_s


class Reply:
    """A 200 that has begun. Either `body` is the whole answer, or `pieces()` streams it. `close()` settles, without awaiting."""

    __slots__ = (
        "_deadlines",
        "_encoder",
        "_inbound",
        "_lifecycle",
        "_response",
        "_rewriter",
        "body",
        "failure",
        "headers",
        "request",
    )

    def __init__(
        self,
        request: Request,
        inbound: Inbound,
        response: ResponseStream,
        lifecycle: RequestLifecycle,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        rewriter: ResponseRewriter | None = None,
        deadlines: DeadlineTimer | None = None,
    ) -> None:
        self.request = request
        self.headers = headers
        self.body = body
        self.failure: OctorouteError | None = None
        """The error in the last piece of a stream that broke."""
        self._inbound = inbound
        self._response = response
        self._lifecycle = lifecycle
        self._rewriter = rewriter
        self._deadlines = deadlines or DeadlineTimer()
        self._encoder: Encoder | None = None

    @classmethod
    async def begin(
        cls,
        request: Request,
        inbound: Inbound,
        response: ResponseStream,
        lifecycle: RequestLifecycle,
        headers: Mapping[str, str],
        *,
        rewriter: ResponseRewriter | None = None,
        deadlines: DeadlineTimer | None = None,
    ) -> Reply:
        """Raises UpstreamError when a whole answer cannot be expressed in the client's dialect."""
        body = None
        if not (request.stream or response.stream):
            part = await response.read()
            body = part if isinstance(part, bytes) else inbound.encode_response(request, part or ())
            if rewriter is not None:
                body = rewriter.rewrite_body(body)
        return cls(request, inbound, response, lifecycle, headers, body, rewriter=rewriter, deadlines=deadlines)

    @property
    def stream(self) -> bool:
        return self.body is None

    @property
    def is_binary(self) -> bool:
        """The response is passed on and may be of any type, so that nothing can be written between its bytes."""
        if self.request.api not in PASSED_TIERS:
            return False
        return not self._response.headers.get("content-type", "").lower().startswith("text/event-stream")

    @property
    def endpoint(self) -> Endpoint:
        return self._response.endpoint

    @property
    def translated(self) -> bool:
        """The client does not get the endpoint's own bytes."""
        return self._response.translated

    @property
    def decision(self) -> Decision | None:
        return self._lifecycle.decision

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._lifecycle.warnings

    @property
    def usage(self) -> Usage | None:
        """As the provider has counted so far."""
        return self._response.progress.usage

    async def pieces(
        self, keep_alive_s: float = KEEP_ALIVE_S, write: Callable[[bytes], bool] | None = None
    ) -> AsyncIterator[bytes]:
        """The stream. A failure is its last piece, in the client's dialect; only the caller's own cancellation is raised.

        With `write`, parts may be written while the next piece is awaited. When it returns True, the client has enough to read:
        an empty piece is yielded, so that the caller can wait for the client.
        """
        is_binary = self.is_binary
        read, idle_timeout_s = self._response.read, self._response.endpoint.idle_timeout_s
        try:
            with self._deadlines.limit(math.inf) as deadline:
                pace = _Pace(deadline, keep_alive_s, idle_timeout_s)
                if write is not None:
                    self._response.pass_on(partial(self._pass_on, write, pace))
                while True:
                    pace.start_wait()
                    try:
                        part = await read()
                    except asyncio.CancelledError:
                        if not deadline.expired_here():
                            raise
                        if pace.endpoint_is_silent():
                            raise TooSlow(f"the upstream sent nothing for {idle_timeout_s:g} s") from None
                        deadline.until = math.inf
                        if pace.keep_alive_is_due():
                            if not is_binary:
                                yield self._inbound.keep_alive if pace.has_begun else self._inbound.silence
                            pace.sent()
                        continue
                    deadline.until = math.inf  # from here on the time is the client's
                    if part is None:
                        break
                    data = self._encode(part)
                    if data or pace.client_is_behind:
                        pace.client_is_behind = False
                        yield data
                    pace.received(data)  # only now: a client that reads slowly does not make the upstream silent
            self._lifecycle.finish(Ending.ANSWERED)
        except UpstreamError as error:
            self._lifecycle.finish(Ending.BROKEN, error)
            yield self._fail(error)
        except (asyncio.CancelledError, GeneratorExit) as end:
            if isinstance(end, GeneratorExit) or not self._lifecycle.cancelled_here():
                raise
            error = RequestCancelled()
            self._lifecycle.finish(Ending.BROKEN, error)
            yield self._fail(error)
        except Exception:
            log.exception("relay failed", request_id=self.request.id)
            error = OctorouteError("the gateway failed while relaying the answer")
            self._lifecycle.finish(Ending.BROKEN, error)
            yield self._fail(error)

    def delivered(self) -> None:
        """The whole answer has been handed to the client."""
        self._lifecycle.finish(Ending.ANSWERED)

    def close(self) -> None:
        """Settle. A reply that is neither delivered nor streamed to its end counts as abandoned by the client."""
        self._lifecycle.settle()

    def _pass_on(self, write: Callable[[bytes], bool], pace: _Pace, part: Chunk) -> bool:
        data = part if isinstance(part, bytes) and self._rewriter is None else self._encode(part)
        if data and write(data):
            pace.client_is_behind = True
        pace.received(data)
        return not pace.client_is_behind

    def _encode(self, part: Chunk) -> bytes:
        if isinstance(part, bytes):
            data = part
        else:
            if self._encoder is None:
                self._encoder = self._inbound.encoder(self.request)
            data = self._encoder.encode(part)
        return data if self._rewriter is None else self._rewriter.rewrite_frames(data)

    def _fail(self, error: OctorouteError) -> bytes:
        self.failure = error
        if self.is_binary:
            return b""
        if self._encoder is not None:
            return self._encoder.fail(error, self.request.id)
        return self._inbound.error_event(error, self.request.id)
