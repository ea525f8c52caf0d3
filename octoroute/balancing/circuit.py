"""The circuit breaker of one endpoint: a pure state machine; every time is an argument.

    closed ──threshold failures in a row──▶ open ──recovery──▶ half-open ──first event of the trial──▶ closed
                                             ▲                     │
                                             └── the trial fails ──┘

Half-open admits one trial request at a time. A success closes the circuit at once, whether a request or a health probe brought it.
A rate-limited endpoint is in cooldown: its circuit stays as it is. Half-open is derived from the clock at each call; no timer runs.
"""

from __future__ import annotations

from octoroute.domain.endpoint import CircuitState
from octoroute.errors import Throttled, TlsRejected, UpstreamAuthError, UpstreamError

MAX_COOLDOWN_S = 3600.0
"""Upper bound of a cooldown, whatever `retry-after` asks for."""

CIRCUIT_OPEN = "circuit open"
TRIAL_IN_FLIGHT = "half-open: trial request in flight"
IN_COOLDOWN = "in cooldown (rate limited)"

_OPENS_AT_ONCE = (UpstreamAuthError, TlsRejected)
"""Errors that the next request would get as well: they open the circuit without waiting for the threshold."""


class CircuitBreaker:
    """What is known of one endpoint.

    `now` is the injected monotonic clock in seconds; `wall_s` is seconds since the epoch, for people and not for decisions.
    """

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
        """Consecutive failures that blame the endpoint."""
        self.opened_at: float | None = None
        """None: the circuit is closed."""
        self.cooldown_until = 0.0
        """End of the latest cooldown; 0: there was none."""
        self.disabled = False
        """Set by an operator through `AdminState`."""
        self.trial_in_flight = False
        """The one request that half-open admits is under way."""
        self.in_flight = 0
        """Leases that have not been released."""
        self.last_seen = now
        """When a request or a probe last had a result."""
        self.last_error: str | None = None
        """Code of the latest failure that blames the endpoint; None after a success."""
        self.succeeded_at: float | None = None
        """Wall clock of the latest success; None: there was none."""
        self.failed_at: float | None = None
        """Wall clock of the latest failure that blames the endpoint; None: there was none."""

    def state(self, now: float, recovery_s: float) -> CircuitState:
        if self.opened_at is None:
            return CircuitState.CLOSED
        return CircuitState.HALF_OPEN if now >= self.opened_at + recovery_s else CircuitState.OPEN

    def unavailable_reason(self, now: float, recovery_s: float) -> str | None:
        """Why circuit or cooldown admit no request at `now`; None: they admit one."""
        if self.opened_at is not None:
            if now < self.opened_at + recovery_s:
                return CIRCUIT_OPEN
            if self.trial_in_flight:
                return TRIAL_IN_FLIGHT
        if now < self.cooldown_until:
            return IN_COOLDOWN
        return None

    def wait_s(self, now: float, recovery_s: float) -> float:
        """Seconds until circuit and cooldown admit a request by the clock alone; 0 or less: they do already."""
        until = max(0.0 if self.opened_at is None else self.opened_at + recovery_s, self.cooldown_until)
        wait_s = until - now
        if wait_s > 0.0 and now + wait_s < until:
            wait_s += 1e-6  # the difference was rounded down: a caller that waits exactly so long must find the circuit half-open
        return wait_s

    # transitions

    def start_trial(self) -> None:
        """A half-open circuit admits its trial request."""
        self.trial_in_flight = True

    def trial_began(self, now: float, failure_threshold: int) -> bool:
        """The trial's first event closes the circuit; one more failure opens it again. Returns whether it was not closed."""
        closes = self.opened_at is not None
        self.trial_in_flight = False
        self.opened_at = None
        self.failures = failure_threshold - 1
        self.last_seen = now
        return closes

    def succeeded(self, now: float, wall_s: float) -> bool:
        """A success closes the circuit. Returns whether it was not closed.

        A cooldown goes on: the successful request may have begun before it, and a probe costs no quota.
        """
        closes = self.opened_at is not None
        self.failures = 0
        self.opened_at = None
        self.last_error = None
        self.last_seen = now
        self.succeeded_at = wall_s
        return closes

    def failed(self, error: UpstreamError, now: float, wall_s: float, failure_threshold: int, recovery_s: float) -> bool:
        """A failure counts if it blames the endpoint; a rate limit starts a cooldown instead. Returns whether to report "open".

        Half-open restarts the recovery; only a failed trial is reported, because probes of a dead endpoint fail again and again.
        """
        self.last_seen = now
        if isinstance(error, Throttled):
            if error.retry_after_s:
                self.cooldown_until = max(self.cooldown_until, now + min(error.retry_after_s, MAX_COOLDOWN_S))
            return False
        if not error.blames_endpoint:
            return False
        self.failures += 1
        self.last_error = error.code
        self.failed_at = wall_s
        state = self.state(now, recovery_s)
        if state is CircuitState.OPEN:
            return False
        if state is CircuitState.CLOSED and self.failures < failure_threshold and not isinstance(error, _OPENS_AT_ONCE):
            return False
        self.opened_at = now
        return state is CircuitState.CLOSED or self.trial_in_flight

    def reset(self) -> None:
        """Forget failures and cooldown: the endpoint is another server now, or has another key."""
        self.failures = 0
        self.opened_at = None
        self.cooldown_until = 0.0
        self.last_error = None
