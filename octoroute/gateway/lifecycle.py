"""What happened to one request so far, and the one place where it is settled.

Whoever walks a request on its path writes here; `settle` closes what was opened, tells health, and hands one `Outcome` to
the ledger. It does not await, so no cancellation can come between; the second call does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec

from octoroute.balancing.health import Lease
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, Endpoint
from octoroute.domain.outcome import Attempt, ContextUse, Ending, Outcome, Usage
from octoroute.domain.request import Request
from octoroute.errors import Exhausted, OctorouteError, UpstreamError
from octoroute.gateway.context_window import TruncatedRequest
from octoroute.upstream.response import UpstreamResponse

ABANDONED = "abandoned"
"""In an error's place for the attempt that was under way when the client left."""

_MORE = ("queued_s", "cache", "error", "cost_usd", "cascade", "check", "context")
"""What most outcomes have nothing of."""
_NOTHING_MORE = (None,) * len(_MORE)
_ANSWERED = Ending.ANSWERED  # looked up once: before Python 3.12 that costs as much as a call


class OutcomeReceiver(Protocol):
    def settle(self, outcome: Outcome, request: Request | None) -> None: ...


class OutcomeObserver(Protocol):
    def on_outcome(self, outcome: Outcome) -> None: ...


class _HeldAnswer(NamedTuple):
    """An answer that has begun and is kept for the case that nobody gives a better one."""

    lease: Lease
    opened: UpstreamResponse
    attempt: int
    warnings: tuple[str, ...]
    cut: TruncatedRequest | None


class RequestLifecycle:
    __slots__ = (
        "_answered_at",
        "_asked",
        "_cascade",
        "_check",
        "_clock",
        "_ended_at",
        "_ending",
        "_error",
        "_first_event_at",
        "_held",
        "_lease",
        "_observer",
        "_queued_s",
        "_response",
        "_routing_s",
        "_settled",
        "_sink",
        "_started_at",
        "attempts",
        "cache",
        "context",
        "decision",
        "hint",
        "listener",
        "request",
        "truncation",
        "warnings",
    )

    def __init__(self, request: Request, sink: OutcomeReceiver, clock: Callable[[], float]) -> None:
        self._asked = self.request = request
        self._sink = sink
        self._clock = clock
        self._started_at = clock()
        self._first_event_at: float | None = None
        self._ended_at: float | None = None
        self._ending: Ending | None = None
        self._error: OctorouteError | None = None
        self._routing_s = 0.0
        self._lease: Lease | None = None
        self._response: UpstreamResponse | None = None
        self._queued_s: float | None = None
        self._observer: OutcomeObserver | None = None
        self.listener: Callable[[Outcome], None] | None = None
        """Told how it ended, last of all."""
        self._answered_at: int | None = None
        self._held: _HeldAnswer | None = None
        self._cascade: str | None = None
        self._check: str | None = None
        self._settled = False
        self.attempts: list[Attempt] = []
        self.decision: Decision | None = None
        self.warnings: tuple[str, ...] = ()
        """What the client should know of how it was answered."""
        self.cache: Literal["hit", "miss", "bypass"] | None = None
        """What the response cache did; None: there is none."""
        self.hint: str | None = None
        """What an operator can do about the last attempt's failure."""
        self.truncation: TruncatedRequest | None = None
        self.context: ContextUse | None = None

    def truncated(self, cut: TruncatedRequest) -> None:
        """From now on the request is what was left of it."""
        self.truncation = cut
        self.request = cut.request

    def decided(self, decision: Decision) -> None:
        self.decision = decision
        self._routing_s = self._clock() - self._started_at

    def queued(self, wait_s: float) -> None:
        self._queued_s = wait_s

    def observed_by(self, learner: OutcomeObserver) -> None:
        """Who made the order of this request, and wants to know what came of it."""
        self._observer = learner

    def failed(self, endpoint: Endpoint, since: float, code: str) -> None:
        self.attempts.append(Attempt(endpoint=endpoint, took_s=self._clock() - since, error=code))

    def answered(self, lease: Lease, opened: UpstreamResponse, since: float) -> None:
        """The first event is there: from now on this endpoint is the one."""
        self._first_event_at = self._clock()
        self._lease = lease
        self._response = opened
        self._answered_at = len(self.attempts)
        self.attempts.append(Attempt(endpoint=lease.endpoint, took_s=self._first_event_at - since))
        lease.started()

    @property
    def endpoint(self) -> Endpoint | None:
        """Who answers; else who was asked last."""
        if self._lease is not None:
            return self._lease.endpoint
        return self.attempts[-1].endpoint if self.attempts else None

    @property
    def response(self) -> UpstreamResponse | None:
        """The answer that has begun."""
        return self._response

    def broke_before_commit(self, error: UpstreamError) -> None:
        """The answer that had begun broke before the client saw anything of it."""
        lease, opened, at = self._leave()
        self.attempts[at] = msgspec.structs.replace(self.attempts[at], error=error.code, usage=self._usage_of(opened))
        lease.failed(error)
        opened.close()
        lease.release(self.attempts[at].usage)

    def set_aside(self, check: str, *, ended: bool) -> None:
        """It does not pass `check`, and a better one is looked for. `ended`: it has been read to its end."""
        lease, opened, at = self._leave()
        self._held = _HeldAnswer(lease, opened, at, self.warnings, self.truncation)
        self._check = check
        self.attempts[at] = msgspec.structs.replace(self.attempts[at], rejected=check)
        self.warnings = ()
        self.truncation, self.request = None, self._asked
        if ended:
            self._finish_held()

    def restore_held(self) -> None:
        """Nobody gave a better one."""
        assert self._held is not None
        (self._lease, self._response, at, self.warnings, self.truncation), self._held = self._held, None
        self.request = self._asked if self.truncation is None else self.truncation.request
        self.attempts[at] = msgspec.structs.replace(self.attempts[at], rejected=None)
        self._answered_at = at
        self._first_event_at = self._clock()

    def cascaded(self, result: str) -> None:
        """The client sees nothing of an answer before this."""
        self._cascade = result
        if result == "kept":
            self._first_event_at = self._clock()

    @property
    def fell_back(self) -> bool:
        """The answer is one that did not pass, for want of a better one."""
        return self._cascade == "fell_back"

    def _leave(self) -> tuple[Lease, UpstreamResponse, int]:
        assert self._lease is not None
        assert self._response is not None
        assert self._answered_at is not None
        left = self._lease, self._response, self._answered_at
        self._lease = self._response = self._answered_at = self._first_event_at = None
        return left

    def _finish_held(self) -> None:
        """Whatever the checks think of its answer, the endpoint did its work."""
        assert self._held is not None
        lease, opened, at, _, _ = self._held
        usage = self._usage_of(opened)
        self.attempts[at] = msgspec.structs.replace(self.attempts[at], usage=usage)
        lease.succeeded()
        opened.close()
        lease.release(usage)

    def served_from_cache(self, notes: tuple[str, ...]) -> None:
        """Nobody needs to be asked: the answer is there."""
        self._first_event_at = self._clock()
        self.cache = "hit"
        self.warnings = notes

    def answered_locally(self, opened: UpstreamResponse) -> None:
        """The answer is made here, and no endpoint knows of it."""
        self._first_event_at = self._clock()
        self._response = opened

    def finish(self, ending: Ending, error: OctorouteError | None = None) -> None:
        """How it ended; the first word counts."""
        if self._ending is None:
            self._ending = ending
            self._error = error
            self._ended_at = self._clock()

    def settle(self) -> None:
        if self._settled:
            return
        self._settled = True
        if self._ending is None:
            self.finish(Ending.ABANDONED)
        usage, lease, opened = None, self._lease, self._response
        if lease is not None:
            if self._ending is _ANSWERED:
                lease.succeeded()
            elif self._ending is Ending.BROKEN and isinstance(self._error, UpstreamError):
                lease.failed(self._error)
        if opened is not None:
            opened.close()
            usage = self._usage_of(opened)
        if self._held is not None:
            self._finish_held()
        if lease is not None:
            lease.release(usage)
        if self._answered_at is not None and usage is not None:
            answered = self.attempts[self._answered_at]
            self.attempts[self._answered_at] = Attempt(endpoint=answered.endpoint, took_s=answered.took_s, usage=usage)
        outcome = self._outcome(usage)
        self._sink.settle(outcome, self.request)
        if self._observer is not None:
            self._observer.on_outcome(outcome)
        if self.listener is not None:
            self.listener(outcome)

    def _outcome(self, usage: Usage | None) -> Outcome:
        """In two steps: CPython passes more than fifteen named arguments in a dictionary, which costs four times as much."""
        assert self._ending is not None
        assert self._ended_at is not None
        request, lease, first, attempts = self.request, self._lease, self._first_event_at, tuple(self.attempts)
        outcome = Outcome(
            request_id=request.id,
            dialect=request.dialect,
            asked_for=self._asked_for(),
            stream=request.stream,
            ending=self._ending,
            status=self._status(),
            decision=self.decision,
            routing_s=self._routing_s,
            attempts=attempts,
            endpoint=None if lease is None else lease.endpoint,
            usage=usage,
            first_event_s=None if first is None else first - self._started_at,
            total_s=self._ended_at - self._started_at,
            key_name=request.key_name,
            prompt_estimate=request.facts.context_tokens,
        )
        code = self._error.code if self._error else None
        more = self._queued_s, self.cache, code, _cost_usd(attempts), self._cascade, self._check, self.context
        return outcome if more == _NOTHING_MORE else msgspec.structs.replace(outcome, **dict(zip(_MORE, more, strict=True)))

    def _status(self) -> int:
        """What the client got, or would have got had it stayed."""
        if self._error is not None and self._ending in {Ending.FAILED, Ending.REFUSED}:
            return self._error.status
        return 499 if self._first_event_at is None else 200

    def _asked_for(self) -> str:
        decision = self.decision
        if decision is None:
            return "unknown"
        if decision.rule is not None and decision.fixed:
            word = self.request.model.lower()
            return word if word == "auto" or word in CHAT_TIERS else "named"
        if decision.by == "client":
            return "named" if decision.only else decision.tier
        return "auto"

    def _usage_of(self, opened: UpstreamResponse) -> Usage | None:
        """As the provider counted; estimated, and saying so, when it did not."""
        progress = opened.progress
        if progress.usage is not None:
            return progress.usage
        if not progress.output_chars:
            return None
        return Usage(input_tokens=self.request.facts.context_tokens, output_tokens=progress.output_chars // 4 or 1, estimated=True)


def _cost_usd(attempts: Sequence[Attempt]) -> float | None:
    """None: nothing is known of any."""
    total = None
    for attempt in attempts:
        price, usage = attempt.endpoint.price, attempt.usage
        if price is not None and usage is not None:
            total = usage.cost(price) + (total or 0.0)
    return total


def ending_of(error: OctorouteError) -> Ending:
    """A 4xx is the client's or about the client's request; everything else is a failure of ours or of the upstreams."""
    if isinstance(error, Exhausted) or error.status >= 500:
        return Ending.FAILED
    return Ending.REFUSED
