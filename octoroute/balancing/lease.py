"""The right to ask one endpoint once; released exactly once, however the attempt ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from octoroute.balancing.circuit import CircuitBreaker
from octoroute.balancing.rate_limit import ProviderRateLimit
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Usage
from octoroute.errors import UpstreamError

if TYPE_CHECKING:
    from octoroute.balancing.health import HealthRegistry


class Lease:
    """The right to ask one endpoint once, for the request `by`.

    Its holder reports how the attempt went, then calls `release()`, which has no effect when called again.
    """

    __slots__ = ("_breaker", "_by", "_health", "_rate_limit", "_released", "_tokens", "again", "endpoint", "is_trial")

    def __init__(
        self,
        health: HealthRegistry,
        endpoint: Endpoint,
        breaker: CircuitBreaker,
        is_trial: bool,
        by: str,
        limit: ProviderRateLimit | None = None,
        tokens: int = 0,
    ) -> None:
        self.endpoint = endpoint
        self._by = by
        self._rate_limit = limit
        self._tokens = tokens
        self._health = health
        self._breaker = breaker
        self.is_trial = is_trial
        """It is the one request that half-open admits, and has no event yet."""
        self.again = False
        """The same request has failed at this endpoint before: a second failure is not counted."""
        self._released = False

    def started(self) -> None:
        """The first event has arrived; it ends the trial if this is one."""
        if self.is_trial:
            self.is_trial = False
            self._health.half_open_succeeded(self.endpoint, self._breaker, self._by)

    def succeeded(self) -> None:
        self._health.succeeded(self.endpoint, self._by, self._breaker)

    def failed(self, error: UpstreamError) -> None:
        self._health.failed(self.endpoint, error, self._by, trial=self.is_trial, again=self.again)

    def release(self, usage: Usage | None = None) -> None:
        """`usage`: the tokens that the provider counted; None: the estimate stands."""
        if self._released:
            return
        self._released = True
        self._breaker.in_flight -= 1
        if self.is_trial:
            self._breaker.trial_in_flight = False
        if self._rate_limit is not None:
            self._rate_limit.settle(self._tokens, usage)
        if self._health.on_capacity is not None:
            self._health.on_capacity(self.endpoint.id, self.endpoint.provider)
