"""What happened to one request so far, and the one place where it is settled.

Whoever walks a request on its path writes here; `settle` closes what was opened, tells health, and hands one `Outcome` to
the ledger. It does not await, so no cancellation can come between; the second call does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from octoroute.errors import Exhausted, OctorouteError, UpstreamError
from octoroute.health import Lease
from octoroute.types import Attempt, Decision, Ending, Endpoint, Outcome, Request, Tier, Usage
from octoroute.upstream import Opened

ABANDONED = "abandoned"
"""In an error's place for the attempt that was under way when the client left."""


class Ledger(Protocol):
    def settle(self, outcome: Outcome, request: Request | None) -> None: ...


class Learner(Protocol):
    def observed(self, outcome: Outcome) -> None: ...


class Trail:
    __slots__ = (
        "_clock",
        "_decision",
        "_ended_at",
        "_ending",
        "_error",
        "_first_event_at",
        "_learner",
        "_lease",
        "_ledger",
        "_opened",
        "_queued_s",
        "_request",
        "_routing_s",
        "_settled",
        "_started_at",
        "attempts",
        "key_name",
        "warnings",
    )

    def __init__(self, request: Request, ledger: Ledger, clock: Callable[[], float], *, key_name: str | None = None) -> None:
        self._request = request
        self._ledger = ledger
        self._clock = clock
        self._started_at = clock()
        self._first_event_at: float | None = None
        self._ended_at: float | None = None
        self._ending: Ending | None = None
        self._error: OctorouteError | None = None
        self._routing_s = 0.0
        self._lease: Lease | None = None
        self._opened: Opened | None = None
        self._queued_s: float | None = None
        self._learner: Learner | None = None
        self._settled = False
        self.attempts: list[Attempt] = []
        self._decision: Decision | None = None
        self.key_name = key_name
        self.warnings: tuple[str, ...] = ()
        """What the client should know of how it was answered."""

    @property
    def decision(self) -> Decision | None:
        return self._decision

    def decided(self, decision: Decision) -> None:
        self._decision = decision
        self._routing_s = self._clock() - self._started_at

    def queued(self, wait_s: float) -> None:
        self._queued_s = wait_s

    def teaches(self, learner: Learner) -> None:
        """Who made the order of this request, and wants to know what came of it."""
        self._learner = learner

    def failed(self, endpoint: Endpoint, since: float, code: str) -> None:
        self.attempts.append(Attempt(endpoint=endpoint, took_s=self._clock() - since, error=code))

    def answered(self, lease: Lease, opened: Opened, since: float) -> None:
        """The first event is there: from now on this endpoint is the one."""
        self._first_event_at = self._clock()
        self._lease = lease
        self._opened = opened
        self.attempts.append(Attempt(endpoint=lease.endpoint, took_s=self._first_event_at - since))
        lease.began()

    def end(self, ending: Ending, error: OctorouteError | None = None) -> None:
        """How it ended; the first word counts."""
        if self._ending is None:
            self._ending = ending
            self._error = error
            self._ended_at = self._clock()

    def settle(self) -> None:
        if self._settled:
            return
        self._settled = True
        self.end(Ending.ABANDONED)
        self._tell_health()
        if self._opened is not None:
            self._opened.close()
        usage = self._usage()
        if self._lease is not None:
            self._lease.release(usage)
        outcome = self._outcome(usage)
        self._ledger.settle(outcome, self._request)
        if self._learner is not None:
            self._learner.observed(outcome)

    def _tell_health(self) -> None:
        if self._lease is None:
            return
        if self._ending is Ending.ANSWERED:
            self._lease.succeeded()
        elif self._ending is Ending.BROKEN and isinstance(self._error, UpstreamError):
            self._lease.failed(self._error)

    def _outcome(self, usage: Usage | None) -> Outcome:
        assert self._ending is not None
        ended_at = self._ended_at or self._clock()
        endpoint = self._lease.endpoint if self._lease else None
        first = self._first_event_at
        return Outcome(
            request_id=self._request.id,
            dialect=self._request.dialect,
            asked_for=self._asked_for(),
            stream=self._request.stream,
            ending=self._ending,
            status=self._status(),
            decision=self.decision,
            routing_s=self._routing_s,
            queued_s=self._queued_s,
            attempts=tuple(self.attempts),
            endpoint=endpoint,
            error=self._error.code if self._error else None,
            usage=usage,
            first_event_s=None if first is None else first - self._started_at,
            total_s=ended_at - self._started_at,
            cost_usd=usage.cost(endpoint.price) if usage and endpoint and endpoint.price else None,
            key_name=self.key_name,
        )

    def _status(self) -> int:
        """What the client got, or would have got had it stayed."""
        if self._error is not None and self._ending in {Ending.FAILED, Ending.REFUSED}:
            return self._error.status
        return 499 if self._first_event_at is None else 200

    def _asked_for(self) -> str:
        if self.decision is None:
            return "unknown"
        if self.decision.rule is not None and self.decision.fixed:
            word = self._request.model.lower()
            return word if word == "auto" or word in set(Tier) else "named"
        if self.decision.by == "client":
            return "named" if self.decision.only else self.decision.tier
        return "auto"

    def _usage(self) -> Usage | None:
        """As the provider counted; estimated, and saying so, when it did not."""
        if self._opened is None:
            return None
        progress = self._opened.progress
        if progress.usage is not None:
            return progress.usage
        if not progress.output_chars:
            return None
        return Usage(input_tokens=self._request.facts.context_tokens, output_tokens=progress.output_chars // 4 or 1, estimated=True)


def ending_of(error: OctorouteError) -> Ending:
    """A 4xx is the client's or about the client's request; everything else is a failure of ours or of the upstreams."""
    if isinstance(error, Exhausted) or error.status >= 500:
        return Ending.FAILED
    return Ending.REFUSED
