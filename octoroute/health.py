"""Who may be asked now: circuits, rests, and requests in flight. In memory, one clock, no sockets.

    closed ──threshold failures in a row──▶ open ──recovery──▶ half-open ──an answer begins──▶ closed
                                             ▲                     │
                                             └──── the probe fails ┘

Half-open admits one request at a time. Success from traffic or from the background probe closes at once. A throttled
endpoint rests without being blamed. All is evaluated when asked, so sixty seconds are sixty seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

from octoroute.errors import Misconfigured, Throttled, Untrusted, UpstreamError
from octoroute.types import Endpoint

MAX_REST_S = 3600.0
"""No upstream may send itself to sleep for longer than this."""


class Circuit(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class EndpointHealth:
    """What is known of one endpoint. Times are the injected clock's seconds."""

    __slots__ = (
        "failed_at",
        "failures",
        "in_flight",
        "last_error",
        "last_seen",
        "opened_at",
        "probing",
        "rests_until",
        "succeeded_at",
    )

    def __init__(self, now: float) -> None:
        self.failures = 0
        """In a row."""
        self.opened_at: float | None = None
        self.rests_until = 0.0
        self.probing = False
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

    __slots__ = ("_health", "_is_probe", "_released", "_state", "endpoint")

    def __init__(self, health: Health, endpoint: Endpoint, state: EndpointHealth, *, is_probe: bool) -> None:
        self.endpoint = endpoint
        self._health = health
        self._state = state
        self._is_probe = is_probe
        self._released = False

    def began(self) -> None:
        """The first event has arrived: the endpoint is back, but one more failure would open it again."""
        if self._is_probe:
            self._is_probe = self._state.probing = False
            self._health.begins_again(self._state)

    def succeeded(self) -> None:
        self._health.succeeded(self.endpoint)

    def failed(self, error: UpstreamError) -> None:
        self._health.failed(self.endpoint, error)

    def release(self) -> None:
        if self._released:
            return
        self._released = True
        self._state.in_flight -= 1
        if self._is_probe:
            self._state.probing = False


class Health:
    def __init__(self, *, failure_threshold: int, recovery_s: float, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.failure_threshold = failure_threshold
        self.recovery_s = recovery_s
        self._clock = clock
        self._wall = wall
        self._states: dict[str, EndpointHealth] = {}

    def keep(self, endpoints: Iterable[Endpoint]) -> None:
        """Forget whoever is not among these (after a reload); the others keep their history."""
        ids = {endpoint.id for endpoint in endpoints}
        for gone in self._states.keys() - ids:
            del self._states[gone]

    def of(self, endpoint: Endpoint) -> EndpointHealth:
        state = self._states.get(endpoint.id)
        if state is None:
            state = self._states[endpoint.id] = EndpointHealth(self._clock())
        return state

    def circuit(self, endpoint: Endpoint) -> Circuit:
        opened_at = self.of(endpoint).opened_at
        if opened_at is None:
            return Circuit.CLOSED
        return Circuit.HALF_OPEN if self._clock() >= opened_at + self.recovery_s else Circuit.OPEN

    def available(self, endpoint: Endpoint) -> bool:
        return self.unavailable_because(endpoint) is None

    def unavailable_because(self, endpoint: Endpoint) -> str | None:
        """One of: circuit open, half-open and being probed, resting, full; None: it may be asked."""
        state = self.of(endpoint)
        if state.opened_at is not None:
            if self._clock() < state.opened_at + self.recovery_s:
                return "circuit open"
            if state.probing:
                return "half-open and being probed"
        if state.rests_until and self._clock() < state.rests_until:
            return "resting"
        if endpoint.max_in_flight and state.in_flight >= endpoint.max_in_flight:
            return "full"
        return None

    def admit(self, endpoint: Endpoint) -> Lease | None:
        """Claim a place (and the probe, when half-open); None when the endpoint is not available any more."""
        if not self.available(endpoint):
            return None
        state = self.of(endpoint)
        is_probe = state.opened_at is not None
        if is_probe:
            state.probing = True
        state.in_flight += 1
        return Lease(self, endpoint, state, is_probe=is_probe)

    def succeeded(self, endpoint: Endpoint) -> None:
        """Closes the circuit. A rest goes on: the success may have begun before it, and a probe costs nothing."""
        state = self.of(endpoint)
        state.failures = 0
        state.opened_at = None
        state.last_error = None
        state.last_seen = self._clock()
        state.succeeded_at = self._wall()

    def begins_again(self, state: EndpointHealth) -> None:
        state.opened_at = None
        state.failures = self.failure_threshold - 1
        state.last_seen = self._clock()

    def failed(self, endpoint: Endpoint, error: UpstreamError) -> None:
        state = self.of(endpoint)
        now = state.last_seen = self._clock()
        if isinstance(error, Throttled):
            if error.retry_after_s:
                state.rests_until = max(state.rests_until, now + min(error.retry_after_s, MAX_REST_S))
            return
        if not error.blames_endpoint:
            return
        state.failures += 1
        state.last_error = error.code
        state.failed_at = self._wall()
        half_open = state.opened_at is not None and now >= state.opened_at + self.recovery_s
        opens = state.failures >= self.failure_threshold or isinstance(error, Misconfigured | Untrusted)
        if half_open or (opens and state.opened_at is None):
            state.opened_at = now

    def next_chance_s(self, endpoints: Iterable[Endpoint]) -> float | None:
        """How long until the first of them may be asked again; None when no clock will tell (all are merely full)."""
        now = self._clock()
        waits: list[float] = []
        for endpoint in endpoints:
            state = self.of(endpoint)
            until = max(0.0 if state.opened_at is None else state.opened_at + self.recovery_s, state.rests_until)
            if until > now:
                waits.append(until - now)
            elif self.unavailable_because(endpoint) is not None:
                waits.append(1.0)  # full, or being probed: it will pass, nobody knows when
        return min(waits) if waits else None
