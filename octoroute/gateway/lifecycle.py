"""One request from its arrival to its settlement; every request is settled exactly once.

The pipeline records here what happens to a request. `settle` closes the response, reports to health, and hands one Outcome to
the sink. It does not await, so no cancellation can interrupt it; a second call does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

from octoroute.access.account import Account
from octoroute.balancing.lease import Lease
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, Endpoint
from octoroute.domain.outcome import Attempt, ContextChange, Ending, Outcome, OutcomeDetails, Usage, cost_micros_of
from octoroute.domain.request import Request
from octoroute.domain.trace import DecisionTrace
from octoroute.errors import Exhausted, OctorouteError, RequestCancelled, UpstreamError
from octoroute.gateway.context_window import TruncatedRequest
from octoroute.gateway.live_requests import LiveRequests
from octoroute.gateway.plan import Plan
from octoroute.upstream.response import UpstreamResponse

ABANDONED = "abandoned"
"""The error code of an attempt that was under way when the client left."""

_ANSWERED = Ending.ANSWERED  # looked up once: before Python 3.12 a member of an enumeration costs as much as a call

_End: TypeAlias = tuple[Ending, OctorouteError | None, float]
"""Ending, error, and clock time."""


class OutcomeReceiver(Protocol):
    def settle(self, outcome: Outcome, request: Request | None) -> None: ...


class AttemptResponse(NamedTuple):
    """A response that has begun, and the attempt it belongs to."""

    lease: Lease
    response: UpstreamResponse
    attempt: int
    """Index in `RequestLifecycle.attempts`."""
    warnings: tuple[str, ...]
    truncation: TruncatedRequest | None


class RequestLifecycle:
    __slots__ = (
        "_answered_at", "_arrived", "_details", "_end", "_live", "_observers", "_response", "_routing_s", "_sink", "account",
        "attempts", "decision", "first_event_at", "lease", "started_at", "trace", "truncation", "warnings",
    )  # fmt: skip

    def __init__(self, request: Request, sink: OutcomeReceiver, live: LiveRequests) -> None:
        """`live` has the clock, and the entry of this request from its arrival to its settlement, if the gateway made one."""
        self._arrived = request
        self._sink: OutcomeReceiver | None = sink
        """None after the settlement."""
        self._live = live
        self.started_at = live.clock()
        self.first_event_at: float | None = None
        self._end: _End | None = None
        self._routing_s = 0.0
        self.lease: Lease | None = None
        """Of the attempt under way, and then of the one that answers."""
        self._response: UpstreamResponse | None = None
        self._observers: tuple[Callable[[Outcome], None], ...] = ()
        self._answered_at: int | None = None
        """Index of the attempt that answers; None: no endpoint has answered."""
        self.attempts: list[Attempt] = []
        self.decision: Decision | None = None
        self._details: OutcomeDetails | None = None
        self.account: Account | None = None
        self.warnings: tuple[str, ...] = ()
        """For the client: what was changed or left out of its request."""
        self.truncation: TruncatedRequest | None = None
        self.trace: DecisionTrace | None = None
        """None: there is no history."""

    @property
    def request(self) -> Request:
        """As it arrived, or as it was changed or truncated since."""
        return self._arrived if self.truncation is None else self.truncation.request

    @property
    def details(self) -> OutcomeDetails:
        """Created when first needed: most requests have none."""
        if self._details is None:
            self._details = OutcomeDetails()
        return self._details

    def observe(self, observer: Callable[[Outcome], None]) -> None:
        """Call `observer` with the Outcome after the settlement, once however often it is given here."""
        if observer not in self._observers:
            self._observers = (*self._observers, observer)

    def truncated(self, cut: TruncatedRequest) -> None:
        """The request was truncated; from now on `request` is the remainder."""
        self.truncation = cut

    def edited(self, request: Request, changes: tuple[ContextChange, ...]) -> None:
        """`request` takes the place of the one that arrived, for every attempt."""
        self._arrived = request
        self.details.context_changes = changes

    @property
    def hint(self) -> str | None:
        """For the operator: how to mend the last attempt's failure."""
        return None if self._details is None else self._details.hint

    @property
    def context_changes(self) -> tuple[ContextChange, ...]:
        return () if self._details is None else self._details.context_changes

    def decided(self, decision: Decision) -> None:
        self.decision = decision
        self._routing_s = self._live.clock() - self.started_at

    def planned(self, decision: Decision, request: Request, plan: Plan) -> None:
        """`plan` says which endpoints are asked for `request`, and why not the others; an extension by none says nothing."""
        if self.trace is not None and plan.inputs is not None:
            self.trace.add(plan.inputs, decision, request if self.context_changes else None)

    def queued(self, wait_s: float) -> None:
        self.details.queued_s = wait_s

    def failed(self, endpoint: Endpoint, since: float, code: str) -> None:
        self.lease = None
        self.attempts.append(
            Attempt(endpoint=endpoint, took_s=self._live.clock() - since, started_s=since - self.started_at, error=code)
        )

    def answered(self, lease: Lease, response: UpstreamResponse, since: float) -> None:
        """The first event of `response` has arrived: its endpoint answers the request."""
        self.first_event_at = self._live.clock()
        self.lease = lease
        self._response = response
        self._answered_at = len(self.attempts)
        self.attempts.append(
            Attempt(endpoint=lease.endpoint, took_s=self.first_event_at - since, started_s=since - self.started_at)
        )
        lease.started()

    @property
    def endpoint(self) -> Endpoint | None:
        """The endpoint that answers; without an answer, the endpoint asked last."""
        if self.lease is not None and self._answered_at is not None:
            return self.lease.endpoint
        return self.attempts[-1].endpoint if self.attempts else None

    def cancelled_here(self) -> bool:
        """Whether the cancellation just caught was an operator's; the request's task then goes on, to tell the client."""
        return self._live.cancelled_here(self)

    @property
    def response(self) -> UpstreamResponse | None:
        """The response that has begun."""
        return self._response

    def broke_before_commit(self, error: UpstreamError) -> None:
        """The response broke before the client got any of it; another endpoint may still answer."""
        lease, response, at, *_ = broken = self._withdraw()
        usage = usage_of(response, self._request_of(broken))
        self.attempts[at] = msgspec.structs.replace(self.attempts[at], error=error.code, usage=usage)
        lease.failed(error)
        response.close()
        lease.release(usage)

    def reject(self, check: str) -> AttemptResponse:
        """Take back the response, because it does not pass `check`: the request is again as it arrived.

        The caller owns the result, and must give it to `restore` or `release_rejected`.
        """
        rejected = self._withdraw()
        self.details.check = check
        self.attempts[rejected.attempt] = msgspec.structs.replace(self.attempts[rejected.attempt], rejected=check)
        return rejected

    def restore(self, rejected: AttemptResponse) -> None:
        """Answer with a rejected response after all."""
        self.lease, self._response, at, self.warnings, self.truncation = rejected
        self.attempts[at] = msgspec.structs.replace(self.attempts[at], rejected=None)
        self._answered_at = at
        self.first_event_at = self._live.clock()

    def release_rejected(self, rejected: AttemptResponse) -> None:
        """Close a rejected response and record its usage. For its endpoint it is a success: the endpoint did its work."""
        lease, response, at, *_ = rejected
        usage = usage_of(response, self._request_of(rejected))
        self.attempts[at] = msgspec.structs.replace(self.attempts[at], usage=usage)
        lease.succeeded()
        response.close()
        lease.release(usage)

    def _withdraw(self) -> AttemptResponse:
        assert self.lease is not None
        assert self._response is not None
        assert self._answered_at is not None
        withdrawn = AttemptResponse(self.lease, self._response, self._answered_at, self.warnings, self.truncation)
        self.lease = self._response = self._answered_at = self.first_event_at = self.truncation = None
        self.warnings = ()
        return withdrawn

    def _request_of(self, withdrawn: AttemptResponse) -> Request:
        return self._arrived if withdrawn.truncation is None else withdrawn.truncation.request

    def cascaded(self, result: str) -> None:
        """`result` is one of `Outcome.cascade`. A small tier's answer that is kept reaches the client only now."""
        self.details.cascade = result
        if result == "kept":
            self.first_event_at = self._live.clock()

    def served_from_cache(self, notes: tuple[str, ...]) -> None:
        self.first_event_at = self._live.clock()
        self.details.cache = "hit"
        self.warnings = notes

    def answered_locally(self, response: UpstreamResponse) -> None:
        """`response` was synthesised here; no endpoint was asked."""
        self.lease = None
        self.first_event_at = self._live.clock()
        self._response = response

    def finish(self, ending: Ending, error: OctorouteError | None = None) -> None:
        """Record how the request ended; only the first call counts."""
        if self._end is None:
            self._end = (ending, error, self._live.clock())

    def settle(self) -> None:
        """Close the response, release its endpoint, and report the Outcome. Without a `finish` before, the client has left."""
        sink, self._sink = self._sink, None
        if sink is None:
            return
        if self._end is None:
            cancelled = RequestCancelled() if self._live.is_cancelled(self) else None
            self.finish(Ending.BROKEN if cancelled else Ending.ABANDONED, cancelled)
        assert self._end is not None
        self._live.running.pop(self, None)
        ending, error, _ = self._end
        usage, lease, response, request = None, self.lease, self._response, self.request
        if lease is not None:
            if ending is _ANSWERED:
                lease.succeeded()
            elif ending is Ending.BROKEN and isinstance(error, UpstreamError):
                lease.failed(error)
        if response is not None:
            response.close()
            usage = usage_of(response, request)
        if lease is not None:
            lease.release(usage)
        if self._answered_at is not None and usage is not None:
            answered = self.attempts[self._answered_at]
            self.attempts[self._answered_at] = Attempt(
                endpoint=answered.endpoint, took_s=answered.took_s, started_s=answered.started_s, usage=usage
            )
        outcome = self._outcome(self._end, usage, request)
        sink.settle(outcome, request)
        for observer in self._observers:
            observer(outcome)

    def _outcome(self, end: _End, usage: Usage | None, request: Request) -> Outcome:
        """In two steps: CPython passes more than fifteen named arguments in a dictionary, which costs four times as much."""
        ending, error, ended_at = end
        lease, first, attempts = self.lease, self.first_event_at, tuple(self.attempts)
        outcome = Outcome(
            request_id=request.id,
            dialect=request.dialect,
            asked_for=self._asked_for(),
            stream=request.stream,
            ending=ending,
            status=self._status(ending, error),
            decision=self.decision,
            routing_s=self._routing_s,
            attempts=attempts,
            endpoint=None if lease is None else lease.endpoint,
            usage=usage,
            first_event_s=None if first is None else first - self.started_at,
            total_s=ended_at - self.started_at,
            key_name=request.key_name,
            prompt_estimate=request.facts.context_tokens,
        )
        cost_micros, details = cost_micros_of(attempts), self._details
        if details is not None:
            outcome = msgspec.structs.replace(outcome, **msgspec.structs.asdict(details))
        if error is not None or cost_micros is not None:
            outcome = msgspec.structs.replace(outcome, error=None if error is None else error.code, cost_micros=cost_micros)
        if self.trace is not None:
            if self.account is not None:
                self.trace.budget = self.account.use()
            msgspec.structs.force_setattr(outcome, "trace", self.trace)  # a copy costs more, and it is still ours alone
        return outcome

    def _status(self, ending: Ending, error: OctorouteError | None) -> int:
        """The status that the client got, or would have got had it stayed."""
        if error is not None and ending in {Ending.FAILED, Ending.REFUSED}:
            return error.status
        return 499 if self.first_event_at is None else 200

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


def usage_of(response: UpstreamResponse, request: Request) -> Usage | None:
    """The provider's count, or an estimate marked as such if the provider reported none. None: no output, no count."""
    progress = response.progress
    if progress.usage is not None:
        return progress.usage
    if not progress.output_chars:
        return None
    return Usage(input_tokens=request.facts.context_tokens, output_tokens=progress.output_chars // 4 or 1, estimated=True)


def ending_of(error: OctorouteError) -> Ending:
    """REFUSED for a 4xx, which is about the client's request; FAILED for an error of the gateway or of the upstreams."""
    if isinstance(error, Exhausted) or error.status >= 500:
        return Ending.FAILED
    return Ending.REFUSED
