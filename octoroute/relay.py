"""From an answer that has begun to the client's bytes: the endpoint's own, or their translation. Metered either way.

There is one relay. Its end is told to `Trail.settle` exactly once, whether the answer was read to its end, broke, or was
abandoned by the client.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping

import structlog

from octoroute.dialects.base import Encoder, Inbound
from octoroute.dialects.outward import Outward
from octoroute.dialects.sse import KEEP_ALIVE
from octoroute.errors import OctorouteError, TooSlow, UpstreamError
from octoroute.opened import Begun
from octoroute.patience import Patience
from octoroute.reading import Part
from octoroute.trail import Trail
from octoroute.types import Ending, Request, Usage

KEEP_ALIVE_S = 15.0


log = structlog.stdlib.get_logger("octoroute.relay")


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
        opened: Begun,
        trail: Trail,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        outward: Outward | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.request = request
        self.stream = request.stream
        self.headers = headers
        self.body = body
        self.endpoint = opened.endpoint
        self.translated = opened.translated
        self.decision = trail.decision
        self.warnings = trail.warnings
        self._inbound = inbound
        self._opened = opened
        self._trail = trail
        self._outward = outward
        self._patience = patience or Patience()
        self._encoder: Encoder | None = None
        self.failure: OctorouteError | None = None
        """What the last piece of a stream that broke tells the client."""

    @classmethod
    async def begin(
        cls,
        request: Request,
        inbound: Inbound,
        opened: Begun,
        trail: Trail,
        headers: Mapping[str, str],
        *,
        outward: Outward | None = None,
        patience: Patience | None = None,
    ) -> Reply:
        """Raises UpstreamError when a whole answer cannot be said in the client's dialect after all."""
        body = None
        if not request.stream:
            part = await opened.read()
            body = part if isinstance(part, bytes) else inbound.whole(request, part or ())
            if outward is not None:
                body = outward.whole(body)
        return cls(request, inbound, opened, trail, headers, body, outward=outward, patience=patience)

    async def pieces(self, keep_alive_s: float = KEEP_ALIVE_S) -> AsyncIterator[bytes]:
        """The stream. A failure is its last piece, in the client's dialect; nothing is raised but the caller's own cancellation."""
        read, idle_timeout_s = self._opened.read, self._opened.endpoint.idle_timeout_s
        now, says_as_it_is = asyncio.get_running_loop().time, self._outward is None
        try:
            with self._patience.limit(math.inf) as limit:
                heard_at = said_at = now()
                keep_alive = KEEP_ALIVE  # before the answer's own first event nothing else may stand
                while True:
                    limit.move(min(said_at + keep_alive_s, heard_at + idle_timeout_s))
                    try:
                        part = await read()
                    except asyncio.CancelledError:
                        if not limit.was_it():
                            raise
                        if now() - heard_at >= idle_timeout_s:
                            raise TooSlow(f"the upstream fell silent for {idle_timeout_s:g} s") from None
                        limit.until = math.inf
                        yield keep_alive
                        said_at = now()
                        continue
                    limit.until = math.inf  # from here it is the client who takes time
                    if part is None:
                        break
                    data = part if says_as_it_is and type(part) is bytes else self._say(part)
                    if data:
                        yield data
                        keep_alive = self._inbound.keep_alive
                    heard_at = now()  # only now: a client that reads slowly is not the upstream's silence
                    if data:
                        said_at = heard_at
            self._trail.end(Ending.ANSWERED)
        except UpstreamError as error:
            self._trail.end(Ending.BROKEN, error)
            yield self._failure(error)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except Exception:
            log.exception("relay failed", request_id=self.request.id)
            error = OctorouteError("the gateway failed while relaying the answer")
            self._trail.end(Ending.BROKEN, error)
            yield self._failure(error)

    @property
    def usage(self) -> Usage | None:
        """As the provider has counted so far."""
        return self._opened.progress.usage

    def delivered(self) -> None:
        """The whole answer has been handed to the client."""
        self._trail.end(Ending.ANSWERED)

    def close(self) -> None:
        """Settle. Without an ending by now, the client has left."""
        self._trail.settle()

    def _say(self, part: Part) -> bytes:
        if isinstance(part, bytes):
            data = part
        else:
            if self._encoder is None:
                self._encoder = self._inbound.encoder(self.request)
            data = self._encoder.encode(part)
        return data if self._outward is None else self._outward.frames(data)

    def _failure(self, error: OctorouteError) -> bytes:
        self.failure = error
        if self._encoder is not None:
            return self._encoder.fail(error, self.request.id)
        return self._inbound.error_event(error, self.request.id)
