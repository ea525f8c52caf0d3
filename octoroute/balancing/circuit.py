"""The circuit breaker of one endpoint: a pure state machine; every time is an argument.

    closed ──failed requests in a row──▶ open ──1 s, 2 s, 4 s …──▶ half-open ──first event of the trial──▶ closed
                                          ▲                           │
                                          └────── the trial fails ────┘

It counts failed requests; `probe_record` counts failed probes. Half-open admits one trial request at a time. A success
closes the circuit at once. An endpoint that asks for a pause is in cooldown: its circuit stays as it is. Half-open is derived from
the clock at each call; no timer runs.
"""

from __future__ import annotations

from octoroute.domain.endpoint import CircuitState
from octoroute.errors import Overloaded, Throttled, TlsRejected, Unreachable, UpstreamAuthError, UpstreamError

MAX_COOLDOWN_S = 3600.0
"""Upper bound of a cooldown, whatever `retry-after` asks for."""
FIRST_OPENING_S = 1.0
"""How long the first opening lasts, and the first cooldown without a stated time; each next one lasts twice as long."""

CIRCUIT_OPEN = "circuit open"
TRIAL_IN_FLIGHT = "half-open: trial request in flight"
IN_COOLDOWN = "in cooldown (the upstream asked for a pause)"

_OPENS_AT_ONCE = (UpstreamAuthError, TlsRejected)
"""Errors that the next request would get as well: they open the circuit without waiting for the threshold."""
_CONNECTION_ERRORS = frozenset({Unreachable.code, TlsRejected.code})
"""Errors of a connection: a successful probe shows that they are over, as a request would."""


class CircuitBreaker:
    """What is known of one endpoint.

    `now` is the injected monotonic clock in seconds; `wall_s` is seconds since the epoch, for people and not for decisions.
    """

    __slots__ = (
        "cooldown_until",
        "cooldowns",
        "disabled",
        "failed_at",
        "failures",
        "in_flight",
        "last_error",
        "last_seen",
        "opened_at",
        "openings",
        "succeeded_at",
        "trial_in_flight",
    )

    def __init__(self, now: float) -> None:
        self.failures = 0
        """Requests in a row that failed and blame the endpoint; several attempts of one request are one."""
        self.openings = 0
        """Openings since the last success."""
        self.opened_at: float | None = None
        """None: the circuit is closed."""
        self.cooldown_until = 0.0
        """End of the latest cooldown; 0: there was none."""
        self.cooldowns = 0
        """Cooldowns in a row whose end the endpoint did not name."""
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
        return CircuitState.HALF_OPEN if now >= self.opened_at + self._open_s(recovery_s) else CircuitState.OPEN

    def _open_s(self, recovery_s: float) -> float:
        return min(recovery_s, _doubled_s(self.openings))

    def unavailable_reason(self, now: float, recovery_s: float) -> str | None:
        """Why circuit or cooldown admit no request at `now`; None: they admit one."""
        if self.opened_at is not None:
            if now < self.opened_at + self._open_s(recovery_s):
                return CIRCUIT_OPEN
            if self.trial_in_flight:
                return TRIAL_IN_FLIGHT
        if now < self.cooldown_until:
            return IN_COOLDOWN
        return None

    def wait_s(self, now: float, recovery_s: float) -> float:
        """Seconds until circuit and cooldown admit a request by the clock alone; 0 or less: they do already."""
        until = max(0.0 if self.opened_at is None else self.opened_at + self._open_s(recovery_s), self.cooldown_until)
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

        A cooldown goes on: the successful request may have begun before it.
        """
        closes = self.opened_at is not None
        self.failures = self.openings = 0
        if self.cooldowns and now >= self.cooldown_until:
            self.cooldowns = 0
        self.opened_at = None
        self.last_error = None
        self.last_seen = now
        self.succeeded_at = wall_s
        return closes

    def connected(self, now: float) -> bool:
        """A probe has reached the server: closes a circuit that an error of the connection opened. Returns whether it did.

        The failures of requests stay counted, so that one more opens it again.
        """
        self.last_seen = now
        if self.opened_at is None or self.last_error not in _CONNECTION_ERRORS:
            return False
        self.opened_at = None
        return True

    def failed(
        self,
        error: UpstreamError,
        now: float,
        wall_s: float,
        failure_threshold: int,
        recovery_s: float,
        *,
        trial: bool = False,
        again: bool = False,
    ) -> bool:
        """A failure counts if it blames the endpoint; a pause that the endpoint asks for is a cooldown. Returns whether it opened.

        `trial`: of the half-open trial; a request that began before the opening tells nothing new. `again`: the same request has
        failed here before.
        """
        self.last_seen = now
        if asks_for_pause(error):
            self._rest(error.retry_after_s, now, recovery_s)
            return False
        if not error.blames_endpoint:
            return False
        self.failed_at = wall_s
        self.failures += not again
        state = self.state(now, recovery_s)
        if state is CircuitState.CLOSED:
            self.last_error = error.code
            if self.failures < failure_threshold and not isinstance(error, _OPENS_AT_ONCE):
                return False
        elif not trial:
            return False
        self.last_error = error.code
        self.opened_at = now
        self.openings += 1
        return True

    def _rest(self, retry_after_s: float | None, now: float, recovery_s: float) -> None:
        """Start or extend the cooldown. Rate limits of concurrent requests are one cooldown; only one after its end doubles it."""
        if retry_after_s is None:
            if now < self.cooldown_until:
                return
            self.cooldowns += 1
            retry_after_s = min(recovery_s, _doubled_s(self.cooldowns))
        self.cooldown_until = max(self.cooldown_until, now + min(retry_after_s, MAX_COOLDOWN_S))

    def reset(self) -> None:
        """Forget failures and cooldown: the endpoint is another server now, or has another key."""
        self.failures = self.openings = self.cooldowns = 0
        self.opened_at = None
        self.cooldown_until = 0.0
        self.last_error = None
        self.succeeded_at = None


def asks_for_pause(error: UpstreamError) -> bool:
    """True for a rate limit, and for an overload that names its end: the endpoint works, but must not be asked for a time."""
    return isinstance(error, Throttled) or (isinstance(error, Overloaded) and error.retry_after_s is not None)


def _doubled_s(times: int) -> float:
    """1 s, 2 s, 4 s …; large enough for any limit after the twentieth."""
    return FIRST_OPENING_S * 2.0 ** min(max(times, 1) - 1, 20)
