"""The circuit as a state machine, against a model of it that fits on a page; the clock only moves when told to."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from octoroute.balancing.circuit import MAX_COOLDOWN_S
from octoroute.balancing.health import AT_CAPACITY, UNKNOWN_WAIT_S, HealthRegistry
from octoroute.domain.endpoint import CircuitState, Endpoint, ProviderLimits
from octoroute.errors import BadUpstreamResponse, Throttled, TlsRejected, TooSlow, Unreachable, UpstreamAuthError
from tests.support.parts import BLAMED, declined, endpoint

THRESHOLD, RECOVERY, LIMIT = 3, 30.0, 4


class Now:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Model:
    """What the contract says of one endpoint."""

    def __init__(self) -> None:
        self.failures = 0
        self.openings = 0
        self.opened_at: float | None = None
        self.connection = False
        """An error of the connection opened it."""
        self.cooldowns = 0
        self.probes = 0
        self.suspect = False
        self.has_succeeded = False
        self.rests_until = 0.0
        self.in_flight = 0
        self.trial: int | None = None
        """The lease that is the half-open trial."""

    def circuit(self, now: float) -> CircuitState:
        if self.opened_at is None:
            return CircuitState.CLOSED
        lasts = min(RECOVERY, 2.0 ** (self.openings - 1))
        return CircuitState.HALF_OPEN if now >= self.opened_at + lasts else CircuitState.OPEN

    def may_ask(self, now: float) -> bool:
        circuit = self.circuit(now)
        return (
            circuit is not CircuitState.OPEN
            and not (circuit is CircuitState.HALF_OPEN and self.trial is not None)
            and now >= self.rests_until
            and self.in_flight < LIMIT
        )

    def succeeded(self, now: float) -> None:
        self.failures, self.openings, self.opened_at = 0, 0, None
        self.probes, self.suspect, self.has_succeeded = 0, False, True
        if now >= self.rests_until:
            self.cooldowns = 0

    def failed(self, now: float, *, trial: bool, at_once: bool = False, connection: bool = False) -> None:
        self.failures += 1
        if trial if self.opened_at is not None else (at_once or self.failures >= THRESHOLD):
            self.opened_at, self.connection = now, connection
            self.openings += 1


class Circuits(RuleBasedStateMachine):
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.now = Now()
        self.health = HealthRegistry(failure_threshold=THRESHOLD, recovery_s=RECOVERY, clock=self.now, wall=lambda: 5.0)
        self.one = endpoint("one", max_in_flight=LIMIT)
        self.other = endpoint("other")
        self.model = Model()
        self.numbers = 0

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 5.0, 29.9, 30.0, 31.0]))
    def time_passes(self, seconds):
        self.now.now += seconds

    @rule(target=leases)
    def ask(self):
        may = self.model.may_ask(self.now())
        lease = self.health.acquire(self.one)
        assert (lease is not None) == may
        if lease is None:
            return multiple()
        self.numbers += 1
        if self.model.opened_at is not None:
            self.model.trial = self.numbers
        self.model.in_flight += 1
        return (self.numbers, lease)

    @rule(held=leases)
    def an_answer_begins(self, held):
        number, lease = held
        lease.started()
        if self.model.trial == number:
            self.model.trial = None
            self.model.opened_at = None
            self.model.failures = THRESHOLD - 1

    @rule(held=consumes(leases))
    def it_succeeds(self, held):
        held[1].succeeded()
        self.model.succeeded(self.now())
        self._released(held)

    @rule(held=consumes(leases), error=st.sampled_from(BLAMED))
    def it_fails(self, held, error):
        held[1].failed(error)
        connection = error.code == Unreachable.code or isinstance(error, TlsRejected)
        self.model.failed(
            self.now(), trial=self.model.trial == held[0], at_once=isinstance(error, TlsRejected), connection=connection
        )
        self._released(held)

    @rule(held=consumes(leases))
    def it_does_not_accept_our_key(self, held):
        held[1].failed(UpstreamAuthError("x"))
        self.model.failed(self.now(), trial=self.model.trial == held[0], at_once=True)
        self._released(held)

    @rule(held=consumes(leases), wait=st.sampled_from([None, 0.0, 3.0, 1e9]))
    def it_is_throttled(self, held, wait):
        held[1].failed(Throttled("x", retry_after_s=wait))
        if wait is None and self.now() >= self.model.rests_until:
            self.model.cooldowns += 1
            self.model.rests_until = self.now() + min(RECOVERY, 2.0 ** (self.model.cooldowns - 1))
        elif wait:
            self.model.rests_until = max(self.model.rests_until, self.now() + min(wait, MAX_COOLDOWN_S))
        self._released(held)

    @rule(held=consumes(leases))
    def it_declines(self, held):
        held[1].failed(declined())
        self._released(held)

    @rule(held=consumes(leases))
    def its_client_leaves(self, held):
        self._released(held)

    def _released(self, held) -> None:
        number, lease = held
        lease.release()
        lease.release()
        self.model.in_flight -= 1
        if self.model.trial == number:
            self.model.trial = None

    @rule()
    def a_probe_is_answered(self):
        self.health.probe_succeeded(self.one)
        self.model.probes, self.model.suspect = 0, False
        if self.model.opened_at is not None and self.model.connection:
            self.model.opened_at = None

    @rule(answered=st.booleans())
    def a_probe_fails(self, answered):
        self.health.probe_failed(self.one, "x", self.now() + 1, answered=answered)
        if self.model.has_succeeded and not self.model.failures and answered:
            return
        self.model.probes += 1
        self.model.suspect |= answered or self.model.probes >= THRESHOLD

    @invariant()
    def it_is_as_the_contract_says(self):
        state = self.health.breaker(self.one)
        circuit = self.model.circuit(self.now())
        shown = CircuitState.OPEN if circuit is CircuitState.CLOSED and self.model.suspect else circuit
        assert self.health.circuit_state(self.one) is shown
        assert self.health.is_suspect(self.one) is self.model.suspect
        assert self.health.needs_trial(self.one) is (self.model.opened_at is not None)
        assert ("one" in self.health.unsure) is (self.model.suspect or self.model.opened_at is not None)
        assert state.failures == self.model.failures
        assert state.in_flight == self.model.in_flight >= 0
        assert self.health.available(self.one) == self.model.may_ask(self.now())
        assert (self.health.unavailable_reason(self.one) is None) == self.model.may_ask(self.now())

    @invariant()
    def the_wait_that_is_told_is_enough(self):
        wait = self.health.next_available_s([self.one])
        assert (wait is None) == self.model.may_ask(self.now())
        if wait is not None and self.model.in_flight == 0:
            before = self.now.now
            self.now.now += wait
            assert self.health.available(self.one)
            self.now.now = before

    @invariant()
    def replicas_are_strangers(self):
        assert self.health.available(self.other)
        assert self.health.breaker(self.other).failures == 0


TestCircuits = Circuits.TestCase
TestCircuits.settings = settings(max_examples=150, stateful_step_count=40)


def gateway(now: Now, threshold: int = THRESHOLD) -> HealthRegistry:
    return HealthRegistry(failure_threshold=threshold, recovery_s=RECOVERY, clock=now, wall=lambda: 5.0)


@pytest.mark.parametrize("threshold", [1, 2, 3, 10])
def test_exactly_the_threshold_opens(threshold):
    health, one = gateway(Now(), threshold), endpoint()
    for number in range(1, threshold + 1):
        assert health.circuit_state(one) is CircuitState.CLOSED
        health.failed(one, BadUpstreamResponse("x"))
        assert health.breaker(one).failures == number
    assert health.circuit_state(one) is CircuitState.OPEN


def test_the_first_opening_is_a_second():
    now = Now()
    health, one = gateway(now, 1), endpoint()
    health.failed(one, BadUpstreamResponse("x"))
    now.now = 1.0 - 1e-9
    assert not health.available(one)
    now.now = 1.0
    assert health.available(one)


def test_half_open_admits_one_at_a_time():
    now = Now()
    health, one = gateway(now, 1), endpoint()
    health.failed(one, BadUpstreamResponse("x"))
    now.now = RECOVERY
    leases = [health.acquire(one) for _ in range(10)]
    assert [lease is not None for lease in leases] == [True] + [False] * 9
    leases[0].release()
    assert health.acquire(one) is not None


def test_a_reload_forgets_removed_endpoints_only():
    health, stays, goes = gateway(Now(), 1), endpoint("stays"), endpoint("goes")
    for one in (stays, goes):
        health.failed(one, BadUpstreamResponse("x"))
    health.retain([stays])
    assert not health.available(stays)
    assert health.available(goes)


def test_a_lease_of_an_endpoint_that_a_reload_removed_can_still_end():
    health, goes = gateway(Now(), 1), endpoint("goes", max_in_flight=1)
    lease = health.acquire(goes)
    health.retain([])
    lease.failed(BadUpstreamResponse("x"))
    lease.release()
    health.retain([])
    assert health.acquire(goes) is not None


def test_the_next_chance_is_the_earliest_of_all():
    now = Now()
    health = gateway(now, 1)
    early, late, resting = endpoint("early"), endpoint("late"), endpoint("resting")
    health.failed(early, BadUpstreamResponse("x"))
    now.now = 0.5
    health.failed(late, BadUpstreamResponse("x"))
    health.failed(resting, Throttled("x", retry_after_s=0.25))
    assert health.next_available_s([early, late]) == 0.5
    assert health.next_available_s([late]) == 1
    assert health.next_available_s([early, late, resting]) == 0.25
    assert health.next_available_s([]) is None


class Calls:
    """A registry with both callbacks."""

    def __init__(self, threshold: int = 1) -> None:
        self.now = Now()
        self.capacity: list[tuple[str, str]] = []
        self.transitions: list[tuple[str, str, str, str]] = []
        self.health = HealthRegistry(
            failure_threshold=threshold,
            recovery_s=RECOVERY,
            clock=self.now,
            wall=lambda: 5.0,
            on_capacity=lambda *names: self.capacity.append(names),
            on_transition=lambda state, one, by, cause: self.transitions.append((state.value, one.id, by, cause)),
        )


def test_every_transition_is_reported_with_the_request_that_caused_it():
    calls, one = Calls(), endpoint("one")
    calls.health.acquire(one, by="r1").failed(BadUpstreamResponse("x"))
    calls.now.now = RECOVERY
    trial = calls.health.acquire(one, by="r2")
    trial.started()
    trial.started()
    trial.succeeded()
    calls.health.failed(one, BadUpstreamResponse("x"))
    assert calls.transitions == [
        ("open", "one", "r1", "upstream_failed"),
        ("half_open", "one", "r2", ""),
        ("closed", "one", "r2", ""),
        ("open", "one", "", "upstream_failed"),
    ]


def test_capacity_is_reported_when_a_lease_ends_and_when_an_endpoint_is_back():
    calls, one = Calls(), endpoint("one", provider="p")
    lease = calls.health.acquire(one)
    assert calls.capacity == []
    lease.release()
    lease.release()
    assert calls.capacity == [("one", "p")], "once"
    calls.health.succeeded(one)
    assert len(calls.capacity) == 1, "it was available before"
    calls.health.failed(one, BadUpstreamResponse("x"))
    calls.health.succeeded(one)
    calls.health.set_enabled(one, on=False)
    assert len(calls.capacity) == 2
    calls.health.set_enabled(one, on=True)
    calls.health.set_enabled(one, on=True)
    calls.health.reset(one)
    assert len(calls.capacity) == 4


@pytest.mark.parametrize(
    ("reason", "fields", "spoil"),
    [
        ("disabled by an operator", {}, lambda health, one: health.set_enabled(one, on=False)),
        ("circuit open", {}, lambda health, one: health.failed(one, UpstreamAuthError("x"))),
        (
            "in cooldown (the upstream asked for a pause)",
            {},
            lambda health, one: health.failed(one, Throttled("x", retry_after_s=9)),
        ),
        ("at max_in_flight", {"max_in_flight": 1}, lambda health, one: health.acquire(one)),
        ("provider at max_in_flight", {"provider": "flight"}, lambda health, one: health.acquire(one)),
        ("provider over requests_per_minute", {"provider": "requests"}, lambda health, one: health.acquire(one).release()),
        ("provider over tokens_per_minute", {"provider": "tokens"}, lambda health, one: health.acquire(one, 100).release()),
    ],
)
def test_an_unavailable_endpoint_says_why(reason, fields, spoil):
    health, one = gateway(Now()), endpoint("one", **fields)
    health.set_limits(
        {
            "flight": ProviderLimits(max_in_flight=1),
            "requests": ProviderLimits(requests_per_minute=1),
            "tokens": ProviderLimits(tokens_per_minute=100),
        }
    )
    assert health.unavailable_reason(one, 10) is None
    spoil(health, one)
    assert health.unavailable_reason(one, 10) == reason
    assert health.acquire(one, 10) is None
    assert (reason in AT_CAPACITY) == ("max_in_flight" in reason or "per_minute" in reason)


def test_a_forced_lease_ignores_circuit_and_limits_but_counts_in_flight():
    health, one = gateway(Now()), endpoint("one", max_in_flight=1)
    health.failed(one, UpstreamAuthError("x"))
    leases = [health.force_acquire(one) for _ in range(2)]
    assert health.breaker(one).in_flight == 2
    for lease in leases:
        lease.release()
    assert health.breaker(one).in_flight == 0
    assert health.circuit_state(one) is CircuitState.OPEN


@pytest.mark.parametrize(("error", "down"), [(UpstreamAuthError("x"), True), (Unreachable("x"), True), (TooSlow("x"), False)])
def test_a_failure_domain_is_down_for_faults_of_address_and_key(error, down):
    now = Now()
    health, one = gateway(now, 1), endpoint("one")
    health.failed(one, error)
    assert health.domain_down(one) is down
    now.now = RECOVERY
    assert not health.domain_down(one), "half-open: a trial may find it back"


def test_a_clock_frees_an_endpoint_in_recovery_and_not_one_at_capacity_or_disabled():
    health, broken, full, off = gateway(Now()), endpoint("broken"), endpoint("full", max_in_flight=1), endpoint("off")
    health.failed(broken, UpstreamAuthError("x"))
    health.acquire(full)
    health.set_enabled(off, on=False)
    assert health.recovery_due_s([full, off]) is None
    assert health.recovery_due_s([full, off, broken]) == 1
    assert health.next_available_s([full]) == UNKNOWN_WAIT_S
    assert health.next_available_s([off]) is None


def test_a_closed_circuit_admits_without_a_trial():
    calls, one = Calls(), endpoint("one")
    leases = [calls.health.acquire(one) for _ in range(3)]
    assert None not in leases
    assert not calls.health.breaker(one).trial_in_flight
    assert calls.transitions == []


def probed(*, threshold: int = THRESHOLD) -> tuple[Calls, Endpoint]:
    return Calls(threshold), endpoint("one")


def test_o02_a_status_of_a_probe_never_outranks_a_success():
    calls, one = probed()
    calls.health.succeeded(one)
    for _ in range(9):
        calls.health.probe_failed(one, "upstream_misconfigured", 1.0, answered=True)
    assert not calls.health.is_suspect(one)


def test_o04_a_silence_does_not_count_if_a_request_has_succeeded_since_the_probe_began():
    calls, one = probed(threshold=1)
    calls.now.now = 10.0
    calls.health.succeeded(one)
    calls.health.probe_failed(one, "upstream_timeout", 6.0, answered=False)
    assert not calls.health.is_suspect(one)
    calls.health.probe_failed(one, "upstream_timeout", 11.0, answered=False)
    assert calls.health.is_suspect(one)


def test_a_success_forgets_the_probes_that_failed_before_it():
    calls, one = probed()
    for _ in range(2):
        calls.health.probe_failed(one, "upstream_unreachable", 1.0, answered=False)
        calls.health.probe_failed(one, "upstream_unreachable", 1.0, answered=False)
        calls.health.succeeded(one)
    assert not calls.health.is_suspect(one)


def test_b37_a_certificate_that_a_probe_does_not_trust_counts_at_once():
    calls, one = probed()
    calls.health.probe_failed(one, TlsRejected.code, 1.0, answered=False)
    assert calls.health.is_suspect(one)


def test_o03_a_good_probe_clears_no_failure_of_requests():
    calls, one = probed()
    for _ in range(THRESHOLD):
        calls.health.probe_succeeded(one)
        calls.health.failed(one, BadUpstreamResponse("x"))
    assert calls.health.breaker(one).opened_at is not None
    calls.health.probe_succeeded(one)
    assert calls.health.circuit_state(one) is CircuitState.OPEN


def test_a_suspicion_is_told_with_its_cause_and_ends_with_a_success():
    calls, one = probed(threshold=1)
    calls.health.probe_failed(one, "upstream_unreachable", 1.0, answered=False)
    calls.health.succeeded(one, "r1")
    assert calls.transitions == [("open", "one", "", "upstream_unreachable"), ("closed", "one", "r1", "")]
    assert calls.health.unsure == set()
