"""The circuit breaker's transitions, one by one; the registry's tests walk through them at random."""

from __future__ import annotations

from random import Random

import pytest

from octoroute.balancing.circuit import CIRCUIT_OPEN, IN_COOLDOWN, MAX_COOLDOWN_S, TRIAL_IN_FLIGHT, CircuitBreaker
from octoroute.domain.endpoint import CircuitState
from octoroute.errors import BadUpstreamResponse, Overloaded, Throttled, TlsRejected, Unreachable, UpstreamAuthError
from tests.support.parts import BLAMED, declined

THRESHOLD, RECOVERY = 3, 30.0
ERROR = BadUpstreamResponse("x")


def fail(breaker, error=ERROR, now=0.0, **more):
    return breaker.failed(error, now, 5.0, THRESHOLD, RECOVERY, **more)


def broken(now=0.0):
    """A breaker that opened at `now`."""
    breaker = CircuitBreaker(now)
    assert [fail(breaker, now=now) for _ in range(THRESHOLD)] == [False] * (THRESHOLD - 1) + [True]
    return breaker


def state(breaker, now):
    return breaker.state(now, RECOVERY)


@pytest.mark.parametrize("error", BLAMED, ids=lambda error: type(error).__name__)
def test_the_threshold_opens_and_is_reported_once(error):
    breaker = CircuitBreaker(0.0)
    assert [fail(breaker, error) for _ in range(5)] == [False, False, True, False, False]
    assert state(breaker, 0.0) is CircuitState.OPEN
    assert breaker.last_error == error.code
    assert breaker.failed_at == 5.0


@pytest.mark.parametrize("error", [UpstreamAuthError("x"), TlsRejected("x")], ids=["key", "certificate"])
def test_what_every_request_would_meet_opens_at_once(error):
    breaker = CircuitBreaker(0.0)
    assert fail(breaker, error)
    assert state(breaker, 0.0) is CircuitState.OPEN


def test_a_declined_request_blames_nothing_on_the_endpoint():
    breaker = CircuitBreaker(0.0)
    assert not any(fail(breaker, declined(), now=7.0) for _ in range(9))
    assert (breaker.failures, breaker.last_error, breaker.failed_at, breaker.last_seen) == (0, None, None, 7.0)


def test_open_becomes_half_open_by_the_clock_alone():
    breaker = broken(now=100.0)
    assert state(breaker, 101.0 - 1e-9) is CircuitState.OPEN
    assert state(breaker, 101.0) is CircuitState.HALF_OPEN
    assert breaker.unavailable_reason(100.0, RECOVERY) == CIRCUIT_OPEN
    assert breaker.unavailable_reason(101.0, RECOVERY) is None


def test_o01_the_first_opening_lasts_a_second_and_each_next_one_twice_as_long():
    breaker, now = broken(), 0.0
    for lasts in (1, 2, 4, 8, 16, 30, 30, 30):
        assert breaker.wait_s(now, RECOVERY) == lasts
        now += lasts
        breaker.start_trial()
        assert fail(breaker, now=now, trial=True)
        breaker.trial_in_flight = False
    breaker.succeeded(now, 0.0)
    for _ in range(THRESHOLD):
        fail(breaker, now=now)
    assert breaker.wait_s(now, RECOVERY) == 1


def test_a_short_recovery_is_the_longest_opening():
    breaker = CircuitBreaker(0.0)
    breaker.failed(UpstreamAuthError("x"), 0.0, 0.0, 3, 0.2)
    assert breaker.wait_s(0.0, 0.2) == 0.2


def test_o01_several_attempts_of_one_request_are_one_failure():
    breaker = CircuitBreaker(0.0)
    assert not fail(breaker)
    assert not any(fail(breaker, again=True) for _ in range(9))
    assert (breaker.failures, breaker.opened_at) == (1, None)


def test_half_open_admits_one_trial():
    breaker = broken()
    breaker.start_trial()
    assert breaker.unavailable_reason(RECOVERY, RECOVERY) == TRIAL_IN_FLIGHT
    breaker.trial_in_flight = False
    assert breaker.unavailable_reason(RECOVERY, RECOVERY) is None


def test_the_first_event_of_the_trial_closes_and_one_more_failure_opens_again():
    breaker = broken()
    breaker.start_trial()
    assert breaker.trial_began(RECOVERY, THRESHOLD)
    assert state(breaker, RECOVERY) is CircuitState.CLOSED
    assert not breaker.trial_in_flight
    assert fail(breaker, now=RECOVERY)
    assert state(breaker, RECOVERY) is CircuitState.OPEN


def test_a_failed_trial_opens_for_twice_as_long_and_is_reported():
    breaker = broken()
    breaker.start_trial()
    assert fail(breaker, now=40.0, trial=True)
    assert state(breaker, 42.0 - 1e-9) is CircuitState.OPEN
    assert state(breaker, 42.0) is CircuitState.HALF_OPEN


def test_a_request_from_before_the_opening_tells_nothing_new():
    breaker = broken()
    assert not fail(breaker, now=40.0)
    assert (breaker.opened_at, breaker.openings) == (0.0, 1)


@pytest.mark.parametrize(
    ("error", "closes"), [(Unreachable("x"), True), (TlsRejected("x"), True), (ERROR, False), (UpstreamAuthError("x"), False)]
)
def test_f3_a_probe_closes_what_an_error_of_the_connection_opened_and_nothing_else(error, closes):
    breaker = CircuitBreaker(0.0)
    for _ in range(THRESHOLD):
        fail(breaker, error)
    failures = breaker.failures
    assert breaker.connected(5.0) is closes
    assert (breaker.opened_at is None) is closes
    assert breaker.failures == failures, "failures of requests stay"
    assert fail(breaker, now=5.0) is closes, "one more opens it again"


def test_a_failure_while_open_does_not_prolong_it():
    breaker = broken()
    assert not fail(breaker, now=10.0)
    assert (breaker.opened_at, breaker.failures) == (0.0, THRESHOLD + 1)


def test_a_success_closes_from_any_state_and_forgets_the_failures():
    breaker = broken()
    assert breaker.succeeded(1.0, 6.0)
    assert (breaker.failures, breaker.last_error, breaker.succeeded_at) == (0, None, 6.0)
    assert not breaker.succeeded(2.0, 7.0), "it was closed already"


@pytest.mark.parametrize(("retry_after_s", "cooldown_s"), [(None, 1.0), (0.0, 0.0), (5.0, 5.0), (1e9, MAX_COOLDOWN_S)])
@pytest.mark.parametrize("kind", [Throttled, Overloaded])
def test_a_pause_that_is_asked_for_is_a_cooldown_and_no_failure(kind, retry_after_s, cooldown_s):
    breaker = CircuitBreaker(0.0)
    failed = [fail(breaker, kind("x", retry_after_s=retry_after_s)) for _ in range(9)]
    if kind is Overloaded and retry_after_s is None:
        assert failed[2], "an overload without a time is a failure"
        return
    assert not any(failed)
    assert breaker.failures == 0
    assert breaker.unavailable_reason(0.0, RECOVERY) == (IN_COOLDOWN if cooldown_s else None)
    assert breaker.unavailable_reason(cooldown_s, RECOVERY) is None


def test_o11_a_rate_limit_without_a_time_rests_a_second_and_doubles_until_a_success():
    breaker, now = CircuitBreaker(0.0), 0.0
    for lasts in (1, 2, 4, 8, 16, 30, 30):
        for _ in range(50):  # those under way together are one
            fail(breaker, Throttled("x"), now=now)
        assert breaker.wait_s(now, RECOVERY) == lasts
        now += lasts
    breaker.succeeded(now, 0.0)
    fail(breaker, Throttled("x"), now=now)
    assert breaker.wait_s(now, RECOVERY) == 1


def test_a_shorter_cooldown_does_not_end_a_longer_one_and_neither_does_a_success():
    breaker = CircuitBreaker(0.0)
    fail(breaker, Throttled("x", retry_after_s=20.0))
    fail(breaker, Throttled("x", retry_after_s=5.0))
    breaker.succeeded(6.0, 6.0)
    assert breaker.unavailable_reason(19.9, RECOVERY) == IN_COOLDOWN


def test_the_wait_is_the_longer_of_recovery_and_cooldown():
    breaker = broken()
    assert breaker.wait_s(0.25, RECOVERY) == 0.75
    fail(breaker, Throttled("x", retry_after_s=60.0), now=10.0)
    assert breaker.wait_s(10.0, RECOVERY) == 60.0
    assert breaker.wait_s(80.0, RECOVERY) <= 0.0


def test_after_exactly_the_wait_the_circuit_admits_a_request():
    """Also where the difference of two clock values is rounded down, which some of these are."""
    random = Random(1)
    for _ in range(1000):
        opened_at = random.uniform(0, 5)
        now = opened_at + random.uniform(0, 1)
        breaker = broken(now=opened_at)
        assert breaker.unavailable_reason(now + breaker.wait_s(now, RECOVERY), RECOVERY) is None


def test_reset_forgets_everything_that_keeps_requests_away():
    breaker = broken()
    fail(breaker, Throttled("x", retry_after_s=60.0))
    breaker.reset()
    assert breaker.unavailable_reason(0.0, RECOVERY) is None
    assert (breaker.failures, breaker.last_error) == (0, None)
