"""Health of all endpoints: a circuit breaker for each, fed by its requests; the record of its probes; the leases of requests.

In memory, one clock, no sockets. A request asks an endpoint only under a lease, and every lease is released once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from octoroute.balancing import rate_limit
from octoroute.balancing.circuit import CircuitBreaker
from octoroute.balancing.circuit_history import CircuitHistory
from octoroute.balancing.lease import Lease
from octoroute.balancing.probe_record import ProbeRecord
from octoroute.balancing.rate_limit import ProviderRateLimit
from octoroute.domain.endpoint import CircuitState, Endpoint, ProviderLimits
from octoroute.errors import TlsRejected, Unreachable, UpstreamAuthError, UpstreamError

DISABLED = "disabled by an operator"
AT_MAX_IN_FLIGHT = "at max_in_flight"
AT_CAPACITY = rate_limit.REASONS | {AT_MAX_IN_FLIGHT}
"""Reasons that blame nothing on the endpoint: capacity will become free, so a request may wait in the queue."""

UNKNOWN_WAIT_S = 1.0
"""Assumed wait for what no clock can tell: a place in flight, or the result of a trial."""

_DOMAIN_ERRORS = frozenset({UpstreamAuthError.code, Unreachable.code})
"""Errors of an address or its credentials, which all models there share."""


class HealthRegistry:
    """The circuit breakers by endpoint id, and the rate limits by provider. `by` is a request's id; "": a health probe."""

    def __init__(
        self,
        *,
        failure_threshold: int,
        recovery_s: float,
        clock: Callable[[], float],
        wall: Callable[[], float],
        on_capacity: Callable[[str, str], None] | None = None,
        on_transition: Callable[[CircuitState, Endpoint, str, str], None] | None = None,
    ) -> None:
        """`on_capacity` gets an endpoint's id and its provider when a lease was released or the endpoint is available again.

        `on_transition` gets every change of a circuit: its new state, its endpoint, `by`, and the cause of an opening.
        """
        self.failure_threshold = failure_threshold
        self.recovery_s = recovery_s
        self._clock = clock
        self._wall = wall
        self._breakers: dict[str, CircuitBreaker] = {}
        self._probes: dict[str, ProbeRecord] = {}
        self.unsure: set[str] = set()
        """Ids of endpoints whose circuit is not closed, or that are suspect."""
        self._rate_limits: dict[str, ProviderRateLimit] = {}
        self.changes = CircuitHistory(wall)
        self.on_capacity = on_capacity
        self._on_transition = on_transition

    def set_limits(self, limits_by_provider: Mapping[str, ProviderLimits]) -> None:
        self._rate_limits = rate_limit.renew(self._rate_limits, limits_by_provider, self._clock)

    def retain(self, endpoints: Iterable[Endpoint]) -> None:
        """Forget all endpoints but these, which keep their history; for a reload."""
        ids = {endpoint.id for endpoint in endpoints}
        for known in (self._breakers, self._probes):
            for removed in known.keys() - ids:
                del known[removed]
        self.unsure &= ids
        self.changes.retain(ids)

    def breaker(self, endpoint: Endpoint) -> CircuitBreaker:
        breaker = self._breakers.get(endpoint.id)
        if breaker is None:
            breaker = self._breakers[endpoint.id] = CircuitBreaker(self._clock())
        return breaker

    def circuit_state(self, endpoint: Endpoint) -> CircuitState:
        """Of its breaker; open for a suspect endpoint."""
        state = self.breaker(endpoint).state(self._clock(), self.recovery_s)
        return CircuitState.OPEN if state is CircuitState.CLOSED and self.is_suspect(endpoint) else state

    def is_suspect(self, endpoint: Endpoint) -> bool:
        """True if its probes failed and no request has succeeded since: it is asked after all others."""
        record = self._probes.get(endpoint.id) if endpoint.id in self.unsure else None
        return record is not None and record.suspicion is not None

    def needs_trial(self, endpoint: Endpoint) -> bool:
        """Its circuit is not closed: the next request is a trial."""
        return endpoint.id in self.unsure and self.breaker(endpoint).opened_at is not None

    # admission

    def available(self, endpoint: Endpoint, tokens: int = 0) -> bool:
        return self.unavailable_reason(endpoint, tokens) is None

    def unavailable_reason(self, endpoint: Endpoint, tokens: int = 0) -> str | None:
        """`DISABLED`, a reason of its circuit breaker, or one of `AT_CAPACITY`; None: the endpoint may be asked.

        `tokens`: what the request will probably use, prompt and answer.
        """
        breaker = self._breakers.get(endpoint.id) or self.breaker(endpoint)
        if breaker.disabled:
            return DISABLED
        if breaker.opened_at is not None or breaker.cooldown_until:
            reason = breaker.unavailable_reason(self._clock(), self.recovery_s)
            if reason is not None:
                return reason
        if endpoint.max_in_flight and breaker.in_flight >= endpoint.max_in_flight:
            return AT_MAX_IN_FLIGHT
        if self._rate_limits:
            limit = self._rate_limits.get(endpoint.provider)
            if limit is not None:
                return limit.exceeded(tokens)
        return None

    def acquire(self, endpoint: Endpoint, tokens: int = 0, by: str = "") -> Lease | None:
        """Take a place in flight, and the trial if the circuit is half-open; None: the endpoint is not available any more."""
        if self.unavailable_reason(endpoint, tokens) is not None:
            return None
        breaker = self.breaker(endpoint)
        is_trial = breaker.opened_at is not None
        if is_trial:
            breaker.start_trial()
            self._report(CircuitState.HALF_OPEN, endpoint, by)
        breaker.in_flight += 1
        limit = self._rate_limits.get(endpoint.provider) if self._rate_limits else None
        if limit is not None:
            limit.take(tokens)
        return Lease(self, endpoint, breaker, is_trial, by, limit, tokens)

    def force_acquire(self, endpoint: Endpoint, by: str = "") -> Lease:
        """Take a place whatever circuit and limits say; for an operator's test of the endpoint."""
        breaker = self.breaker(endpoint)
        breaker.in_flight += 1
        return Lease(self, endpoint, breaker, False, by)

    # transitions

    def set_enabled(self, endpoint: Endpoint, *, on: bool) -> None:
        breaker = self.breaker(endpoint)
        enables = breaker.disabled and on
        breaker.disabled = not on
        if enables and self.on_capacity is not None:
            self.on_capacity(endpoint.id, endpoint.provider)

    def reset(self, endpoint: Endpoint) -> None:
        """Forget failures and cooldown; for an endpoint that is another server now, or has another key."""
        self.breaker(endpoint).reset()
        self._probes.pop(endpoint.id, None)
        self.unsure.discard(endpoint.id)
        if self.on_capacity is not None:
            self.on_capacity(endpoint.id, endpoint.provider)

    def succeeded(self, endpoint: Endpoint, by: str = "", breaker: CircuitBreaker | None = None) -> None:
        """`breaker`: the one of the lease, which a reload may have removed; None: the endpoint's."""
        breaker = breaker or self.breaker(endpoint)
        closes = breaker.succeeded(self._clock(), self._wall())
        if self._probes:
            closes |= self._probes.pop(endpoint.id, ProbeRecord()).succeeded()
        if self.unsure:
            self.unsure.discard(endpoint.id)
        if closes:
            self._report(CircuitState.CLOSED, endpoint, by)
        elif not breaker.cooldown_until:
            return  # it was available before
        if self.on_capacity is not None:
            self.on_capacity(endpoint.id, endpoint.provider)

    def half_open_succeeded(self, endpoint: Endpoint, breaker: CircuitBreaker, by: str = "") -> None:
        """The first event of a trial has arrived."""
        if breaker.trial_began(self._clock(), self.failure_threshold):
            self._settle(endpoint)
            self._report(CircuitState.CLOSED, endpoint, by)
        if self.on_capacity is not None:
            self.on_capacity(endpoint.id, endpoint.provider)

    def failed(self, endpoint: Endpoint, error: UpstreamError, by: str = "", *, trial: bool = False, again: bool = False) -> None:
        """A request has failed. `trial`, `again`: as `CircuitBreaker.failed` has them."""
        breaker = self.breaker(endpoint)
        now, wall_s = self._clock(), self._wall()
        if breaker.failed(error, now, wall_s, self.failure_threshold, self.recovery_s, trial=trial, again=again):
            self.unsure.add(endpoint.id)
            self._report(CircuitState.OPEN, endpoint, by, error.code)

    def probe_succeeded(self, endpoint: Endpoint) -> None:
        """The server has answered: ends what probes or errors of the connection have opened, and nothing else."""
        record = self._probes.get(endpoint.id)
        closes = self.breaker(endpoint).connected(self._clock())
        closes |= record is not None and record.succeeded()
        if closes and self._settle(endpoint):
            self._report(CircuitState.CLOSED, endpoint, "")
            if self.on_capacity is not None:
                self.on_capacity(endpoint.id, endpoint.provider)

    def probe_failed(self, endpoint: Endpoint, why: str, since: float, *, answered: bool) -> None:
        """`why`: for the log. `since`: when the probe began. `answered`: by a status; otherwise there was no answer at all.

        A probe that an error status answered is ignored while the last request succeeded. One without an answer counts, unless a
        request has succeeded since it began.
        """
        breaker = self.breaker(endpoint)
        if breaker.succeeded_at is not None and breaker.failures == 0 and (answered or breaker.last_seen >= since):
            return
        record = self._probes.setdefault(endpoint.id, ProbeRecord())
        if record.failed(why, self.failure_threshold, at_once=answered or why == TlsRejected.code):
            is_new = endpoint.id not in self.unsure
            self.unsure.add(endpoint.id)
            if is_new:
                self._report(CircuitState.OPEN, endpoint, "", why)

    def suspect(self, endpoint: Endpoint, why: str, since: float | None) -> None:
        """Another replica has found the endpoint to be down at `since`, by this clock; None: no other says so, or does any more.

        A success here that is newer counts for more, and an own open circuit says more.
        """
        record = self._probes.get(endpoint.id)
        if since is None:
            if record is not None and record.suspicion == why and record.succeeded() and self._settle(endpoint):
                self._report(CircuitState.CLOSED, endpoint, "")
                if self.on_capacity is not None:
                    self.on_capacity(endpoint.id, endpoint.provider)
            return
        breaker = self.breaker(endpoint)
        has_succeeded = breaker.succeeded_at is not None and breaker.failures == 0 and breaker.last_seen >= since
        if has_succeeded or endpoint.id in self.unsure:
            return
        record = self._probes.setdefault(endpoint.id, ProbeRecord())
        if record.failed(why, self.failure_threshold, at_once=True):
            self.unsure.add(endpoint.id)
            self._report(CircuitState.OPEN, endpoint, "", why)

    def _settle(self, endpoint: Endpoint) -> bool:
        """Return whether neither its circuit nor its probes exclude the endpoint; it is then no longer `unsure`."""
        if self.breaker(endpoint).opened_at is not None or self.is_suspect(endpoint):
            return False
        self.unsure.discard(endpoint.id)
        return True

    def _report(self, state: CircuitState, endpoint: Endpoint, by: str, cause: str = "") -> None:
        self.changes.add(state, endpoint, by, cause)
        if self._on_transition is not None:
            self._on_transition(state, endpoint, by, cause)

    # outlook

    def domain_down(self, endpoint: Endpoint) -> bool:
        """The circuit is open for an error of address or credentials: another model of the same failure domain would fail too."""
        breaker = self.breaker(endpoint)
        is_open = breaker.state(self._clock(), self.recovery_s) is CircuitState.OPEN
        return is_open and breaker.last_error in _DOMAIN_ERRORS

    def next_available_s(self, endpoints: Iterable[Endpoint], tokens: int = 0) -> float | None:
        """Seconds until the first of those that cannot be asked now may be asked again; None: all but disabled ones can."""
        waits: list[float] = []
        for endpoint in endpoints:
            if self.breaker(endpoint).disabled:
                continue  # no clock knows when an operator enables it
            wait_s = self._wait_s(endpoint, tokens)
            if wait_s > 0.0:
                waits.append(wait_s)
            elif self.unavailable_reason(endpoint, tokens) is not None:
                waits.append(UNKNOWN_WAIT_S)
        return min(waits, default=None)

    def recovery_due_s(self, endpoints: Iterable[Endpoint], tokens: int = 0) -> float | None:
        """Seconds until the clock alone makes one of these endpoints available; None: it will not."""
        waits = (self._wait_s(endpoint, tokens) for endpoint in endpoints if not self.breaker(endpoint).disabled)
        return min((wait_s for wait_s in waits if wait_s > 0.0), default=None)

    def _wait_s(self, endpoint: Endpoint, tokens: int) -> float:
        """Seconds until recovery, cooldown, and the provider's minute allow the request; 0 or less: they do already."""
        wait_s = self.breaker(endpoint).wait_s(self._clock(), self.recovery_s)
        limit = self._rate_limits.get(endpoint.provider) if self._rate_limits else None
        return max(wait_s, 0.0 if limit is None else limit.wait_s(tokens))
