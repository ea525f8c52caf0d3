"""Who may be asked now: circuits, rests, and requests in flight. In memory, one clock, no sockets.

    closed ──threshold failures in a row──▶ open ──recovery──▶ half-open ──an answer begins──▶ closed
                                             ▲                     │
                                             └──── the probe fails ┘

Half-open admits one request at a time. Success from traffic or from the background probe closes at once. A throttled
endpoint rests without being blamed. All is evaluated when asked, so sixty seconds are sixty seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from octoroute.balancing import rate_limit
from octoroute.balancing.rate_limit import ProviderRateLimit
from octoroute.domain.endpoint import CircuitState, Endpoint, ProviderLimits
from octoroute.domain.outcome import Usage
from octoroute.errors import Throttled, TlsRejected, Unreachable, UpstreamAuthError, UpstreamError

MAX_COOLDOWN_S = 3600.0
"""No upstream may send itself to sleep for longer than this."""


DISABLED = "disabled by an operator"
AT_MAX_IN_FLIGHT = "full"
AT_CAPACITY = rate_limit.REASONS | {AT_MAX_IN_FLIGHT}
"""Why an endpoint cannot be asked now although nothing is wrong with it: a place will become free."""

_WHOLE = frozenset({UpstreamAuthError.code, Unreachable.code})
"""What is wrong with an address or its credentials, and not with one model."""


class CircuitBreaker:
    """What is known of one endpoint. Times are the injected clock's seconds."""

    __slots__ = (
        "cooldown_until",
        "disabled",
        "failed_at",
        "failures",
        "in_flight",
        "last_error",
        "last_seen",
        "opened_at",
        "succeeded_at",
        "trial_in_flight",
    )

    def __init__(self, now: float) -> None:
        self.failures = 0
        """In a row."""
        self.opened_at: float | None = None
        self.cooldown_until = 0.0
        self.disabled = False
        """An operator has switched it off; see `switches`."""
        self.trial_in_flight = False
        """The one half-open request is under way."""
        self.in_flight = 0
        self.last_seen = now
        """When traffic or a probe last told something."""
        self.last_error: str | None = None
        self.succeeded_at: float | None = None
        """Wall clock, seconds since the epoch; so is `failed_at`. For people, not for decisions."""
        self.failed_at: float | None = None


class Lease:
    """The right to ask one endpoint once. Tell it how it went, then `release()` it; both are safe to call again."""

    __slots__ = ("_by", "_health", "_is_trial", "_rate_limit", "_released", "_state", "_tokens", "endpoint")

    def __init__(
        self,
        health: HealthRegistry,
        endpoint: Endpoint,
        state: CircuitBreaker,
        is_probe: bool,
        by: str,
        allowance: ProviderRateLimit | None = None,
        tokens: int = 0,
    ) -> None:
        self.endpoint = endpoint
        self._by = by
        self._rate_limit = allowance
        self._tokens = tokens
        self._health = health
        self._state = state
        self._is_trial = is_probe
        self._released = False

    def started(self) -> None:
        """The first event has arrived: the endpoint is back, but one more failure would open it again."""
        if self._is_trial:
            self._is_trial = self._state.trial_in_flight = False
            self._health.half_open_succeeded(self.endpoint, self._state, self._by)

    def succeeded(self) -> None:
        self._health.succeeded(self.endpoint, self._by, self._state)

    def failed(self, error: UpstreamError) -> None:
        self._health.failed(self.endpoint, error, self._by)

    def release(self, usage: Usage | None = None) -> None:
        """`usage` is what it came to; without it the estimate stands."""
        if self._released:
            return
        self._released = True
        self._state.in_flight -= 1
        if self._is_trial:
            self._state.trial_in_flight = False
        if self._rate_limit is not None:
            self._rate_limit.settle(self._tokens, usage)
        if self._health.on_capacity is not None:
            self._health.on_capacity(self.endpoint.id, self.endpoint.provider)


class HealthRegistry:
    def __init__(
        self,
        *,
        failure_threshold: int,
        recovery_s: float,
        clock: Callable[[], float],
        wall: Callable[[], float],
        on_capacity: Callable[[str, str], None] | None = None,
        on_transition: Callable[[CircuitState, Endpoint, str], None] | None = None,
    ) -> None:
        self.failure_threshold = failure_threshold
        self.recovery_s = recovery_s
        self._clock = clock
        self._wall = wall
        self._states: dict[str, CircuitBreaker] = {}
        self._rate_limits: dict[str, ProviderRateLimit] = {}
        self.on_capacity = on_capacity
        """Told of every place that becomes free, and of every endpoint that is back."""
        self.on_transition = on_transition
        """Told of every change of a circuit: what it is now, whose, and by which request's id ("": the probe's)."""

    def set_limits(self, limits_by_provider: Mapping[str, ProviderLimits]) -> None:
        self._rate_limits = rate_limit.renewed(self._rate_limits, limits_by_provider, self._clock)

    def retain(self, endpoints: Iterable[Endpoint]) -> None:
        """Forget whoever is not among these (after a reload); the others keep their history."""
        ids = {endpoint.id for endpoint in endpoints}
        for gone in self._states.keys() - ids:
            del self._states[gone]

    def breaker(self, endpoint: Endpoint) -> CircuitBreaker:
        state = self._states.get(endpoint.id)
        if state is None:
            state = self._states[endpoint.id] = CircuitBreaker(self._clock())
        return state

    def circuit_state(self, endpoint: Endpoint) -> CircuitState:
        opened_at = self.breaker(endpoint).opened_at
        if opened_at is None:
            return CircuitState.CLOSED
        return CircuitState.HALF_OPEN if self._clock() >= opened_at + self.recovery_s else CircuitState.OPEN

    def available(self, endpoint: Endpoint, tokens: int = 0) -> bool:
        return self.unavailable_reason(endpoint, tokens) is None

    def unavailable_reason(self, endpoint: Endpoint, tokens: int = 0) -> str | None:
        """One of: disabled, circuit open, half-open and being probed, resting, one of `CROWDED`; None: it may be asked.

        `tokens` is what the request will probably use.
        """
        state = self._states.get(endpoint.id) or self.breaker(endpoint)
        if state.disabled:
            return DISABLED
        if state.opened_at is not None:
            if self._clock() < state.opened_at + self.recovery_s:
                return "circuit open"
            if state.trial_in_flight:
                return "half-open and being probed"
        if state.cooldown_until and self._clock() < state.cooldown_until:
            return "resting"
        if endpoint.max_in_flight and state.in_flight >= endpoint.max_in_flight:
            return AT_MAX_IN_FLIGHT
        if self._rate_limits:
            allowance = self._rate_limits.get(endpoint.provider)
            if allowance is not None:
                return allowance.exceeded(tokens)
        return None

    def acquire(self, endpoint: Endpoint, tokens: int = 0, by: str = "") -> Lease | None:
        """Claim a place (and the probe, when half-open) for the request `by`; None when the endpoint is not available any more."""
        if self.unavailable_reason(endpoint, tokens) is not None:
            return None
        state = self.breaker(endpoint)
        is_probe = state.opened_at is not None
        if is_probe:
            state.trial_in_flight = True
            self._notify(CircuitState.HALF_OPEN, endpoint, by)
        state.in_flight += 1
        allowance = self._rate_limits.get(endpoint.provider) if self._rate_limits else None
        if allowance is not None:
            allowance.take(tokens)
        return Lease(self, endpoint, state, is_probe, by, allowance, tokens)

    def force_acquire(self, endpoint: Endpoint, by: str = "") -> Lease:
        """A place whatever its circuit and its limits say: for an operator who wants to know."""
        state = self.breaker(endpoint)
        state.in_flight += 1
        return Lease(self, endpoint, state, False, by)

    def set_enabled(self, endpoint: Endpoint, *, on: bool) -> None:
        state = self.breaker(endpoint)
        is_back = state.disabled and on
        state.disabled = not on
        if is_back and self.on_capacity is not None:
            self.on_capacity(endpoint.id, endpoint.provider)

    def reset(self, endpoint: Endpoint) -> None:
        """It is another server now, or has another key: what was held against it counts no more."""
        state = self.breaker(endpoint)
        state.failures = 0
        state.opened_at = None
        state.cooldown_until = 0.0
        state.last_error = None
        if self.on_capacity is not None:
            self.on_capacity(endpoint.id, endpoint.provider)

    def domain_down(self, endpoint: Endpoint) -> bool:
        """Its circuit is open for what is wrong with its address or credentials: another model there will fare no better."""
        return self.circuit_state(endpoint) is CircuitState.OPEN and self.breaker(endpoint).last_error in _WHOLE

    def succeeded(self, endpoint: Endpoint, by: str = "", state: CircuitBreaker | None = None) -> None:
        """Closes the circuit. A rest goes on: the success may have begun before it, and a probe costs nothing."""
        state = state or self.breaker(endpoint)
        state.failures = 0
        state.last_error = None
        state.last_seen = self._clock()
        state.succeeded_at = self._wall()
        if state.opened_at is None and not state.cooldown_until:
            return
        if state.opened_at is not None:
            self._notify(CircuitState.CLOSED, endpoint, by)
        state.opened_at = None
        if self.on_capacity is not None:
            self.on_capacity(endpoint.id, endpoint.provider)

    def half_open_succeeded(self, endpoint: Endpoint, state: CircuitBreaker, by: str = "") -> None:
        if state.opened_at is not None:
            self._notify(CircuitState.CLOSED, endpoint, by)
        state.opened_at = None
        state.failures = self.failure_threshold - 1
        state.last_seen = self._clock()
        if self.on_capacity is not None:
            self.on_capacity(endpoint.id, endpoint.provider)

    def failed(self, endpoint: Endpoint, error: UpstreamError, by: str = "") -> None:
        state = self.breaker(endpoint)
        now = state.last_seen = self._clock()
        if isinstance(error, Throttled):
            if error.retry_after_s:
                state.cooldown_until = max(state.cooldown_until, now + min(error.retry_after_s, MAX_COOLDOWN_S))
            return
        if not error.blames_endpoint:
            return
        state.failures += 1
        state.last_error = error.code
        state.failed_at = self._wall()
        half_open = state.opened_at is not None and now >= state.opened_at + self.recovery_s
        opens = state.failures >= self.failure_threshold or isinstance(error, UpstreamAuthError | TlsRejected)
        if half_open or (opens and state.opened_at is None):
            news = state.opened_at is None or state.trial_in_flight  # not each time a background probe finds it still down
            state.opened_at = now
            if news:
                self._notify(CircuitState.OPEN, endpoint, by)

    def _notify(self, circuit: CircuitState, endpoint: Endpoint, by: str) -> None:
        if self.on_transition is not None:
            self.on_transition(circuit, endpoint, by)

    def next_available_s(self, endpoints: Iterable[Endpoint], tokens: int = 0) -> float | None:
        """How long until the first of them may be asked again; None when nothing keeps them from being asked."""
        waits: list[float] = []
        for endpoint in endpoints:
            if self.breaker(endpoint).disabled:
                continue  # no clock knows when it is switched on
            wait_s = self._wait_s(endpoint, tokens)
            if wait_s > 0.0:
                waits.append(wait_s)
            elif self.unavailable_reason(endpoint, tokens) is not None:
                waits.append(1.0)  # full, or being probed: it will pass, nobody knows when
        return min(waits, default=None)

    def recovery_due_s(self, endpoints: Iterable[Endpoint], tokens: int = 0) -> float | None:
        """How long until the clock alone lets one of them be asked again; None: for none of them it will."""
        waits = (self._wait_s(endpoint, tokens) for endpoint in endpoints if not self.breaker(endpoint).disabled)
        return min((wait_s for wait_s in waits if wait_s > 0.0), default=None)

    def _wait_s(self, endpoint: Endpoint, tokens: int) -> float:
        """What the clock alone must bring: recovery, the end of a rest, a provider's next minute."""
        state = self.breaker(endpoint)
        until = max(0.0 if state.opened_at is None else state.opened_at + self.recovery_s, state.cooldown_until)
        now = self._clock()
        wait_s = until - now
        if wait_s > 0.0 and now + wait_s < until:
            wait_s += 1e-6  # rounded down: who waits exactly so long must find it open
        allowance = self._rate_limits.get(endpoint.provider) if self._rate_limits else None
        return max(wait_s, 0.0 if allowance is None else allowance.wait_s(tokens))
