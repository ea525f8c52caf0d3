"""What each failure of a request rules out, and what is told at the end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from octoroute.balancing.retry import RetryPolicy
from octoroute.dialects.response.refusals import RefusalKind
from octoroute.errors import (
    BadUpstreamResponse,
    Empty,
    Exhausted,
    NotServed,
    Overloaded,
    Throttled,
    TooSlow,
    Unreachable,
    UpstreamAuthError,
    UpstreamRejected,
)
from octoroute.gateway.failover import SHORT_PAUSE_S, Failover
from tests.support.parts import endpoint

A = endpoint("a", base_url="http://a.test/v1", model="m", provider="p")
B = endpoint("b", base_url="http://b.test/v1", model="m", provider="q")
AGAIN = endpoint("again", base_url="http://a.test/v1", model="m", provider="p")
BIG = endpoint("big", base_url="http://big.test/v1", model="big", context_window=100_000)
SMALL = endpoint("small", base_url="http://small.test/v1", model="small", context_window=4_000)


def failover(most: int = 3, *, by_provider: bool = False, once: bool = False, **retry) -> Failover:
    return Failover(RetryPolicy(max_attempts=most, **retry), by_provider=by_provider, once=once, order=[A, B])


def lease(asked, *, trial: bool = False):
    return SimpleNamespace(endpoint=asked, is_trial=trial)


def rejected(refusal: str, message: str = "no") -> UpstreamRejected:
    error = UpstreamRejected(message, status=400, body=b"", headers={}, dialect="openai")
    error.refusal = refusal
    return error


@pytest.mark.parametrize(
    ("error", "again", "same_domain"),
    [
        (BadUpstreamResponse("x"), True, True),
        (Overloaded("x"), True, True),
        (TooSlow("x"), False, True),
        (NotServed("x"), False, True),
        (Unreachable("x"), True, True),
        (rejected(RefusalKind.ALLOWANCE), False, True),
    ],
)
def test_what_a_failure_rules_out(error, again, same_domain):
    state = failover()
    state.failed(lease(A), error)
    assert (state.admits(A), state.admits(AGAIN), state.admits(B)) == (again, same_domain, True)


@pytest.mark.parametrize("error", [UpstreamAuthError("x"), Unreachable("x")])
def test_a_provider_order_skips_the_rest_of_the_failure_domain(error):
    state = failover(by_provider=True)
    state.failed(lease(A), error)
    assert (state.admits(A), state.admits(AGAIN), state.admits(B)) == (False, False, True)


def test_a_refusal_of_the_request_is_told_at_once():
    error = rejected("")
    with pytest.raises(UpstreamRejected) as caught:
        failover().failed(lease(A), error)
    assert caught.value is error


def test_a_filtered_prompt_moves_on_only_if_the_operator_says_so():
    with pytest.raises(UpstreamRejected):
        failover().failed(lease(A), rejected(RefusalKind.CONTENT))
    state = failover(fallback_on=("content_filter",))
    state.failed(lease(A), rejected(RefusalKind.CONTENT))
    assert not state.admits(A)
    assert state.admits(B)


@pytest.mark.parametrize("asked", [endpoint("w", context_window=8_000), endpoint("w")])
def test_a_prompt_that_is_too_long_rules_out_the_window_and_its_replicas(asked):
    state = failover()
    state.failed(lease(asked), rejected(RefusalKind.CONTEXT, "prompt is too long: 9000 tokens > 8000 maximum"))
    assert state.admits(BIG)
    assert state.admits(A), "of unknown size"
    assert not state.admits(SMALL)
    assert not state.admits(endpoint("replica", base_url=asked.base_url, model=asked.model))
    assert not state.admits(endpoint("same", base_url="http://x.test/v1", model="x", context_window=8_000))


def test_a_trial_costs_no_attempt_and_another_tier_has_its_own():
    state = failover(2)
    state.failed(lease(A, trial=True), BadUpstreamResponse("x"))
    state.failed(lease(B), BadUpstreamResponse("x"))
    assert not state.spent
    state.failed(lease(B), BadUpstreamResponse("x"))
    assert state.spent
    state.add(2)
    assert not state.spent
    state.failed(lease(BIG), BadUpstreamResponse("x"))
    state.failed(lease(SMALL), BadUpstreamResponse("x"))
    assert state.spent


def test_one_attempt_is_one_attempt():
    state = failover(1)
    state.failed(lease(A), BadUpstreamResponse("x"))
    state.add(5)
    assert state.spent


@pytest.mark.parametrize(("most", "once"), [(0, False), (3, True)])
def test_each_endpoint_once_is_not_walked_again(most, once):
    state = failover(most, once=once)
    state.failed(lease(A), BadUpstreamResponse("x"))
    assert not state.repeats


def test_an_empty_answer_is_asked_again_once_and_only_while_an_attempt_is_left():
    state = failover(2)
    state.failed(lease(A), BadUpstreamResponse("x"))
    assert not state.may_reject_empty
    state = failover(5)
    state.failed(lease(A), Empty("x"))
    assert not state.may_reject_empty


@pytest.mark.parametrize(
    ("errors", "pause_s"),
    [
        ([Throttled("x", retry_after_s=SHORT_PAUSE_S)], SHORT_PAUSE_S),
        ([Throttled("x", retry_after_s=9.0), Overloaded("x", retry_after_s=0.5)], 0.5),
        ([Throttled("x", retry_after_s=SHORT_PAUSE_S + 0.1)], None),
        ([Throttled("x")], None),
        ([Throttled("x", retry_after_s=0.5), BadUpstreamResponse("x")], None),
    ],
)
def test_a_short_pause_is_waited_for_once(errors, pause_s):
    state = failover(5)
    for error in errors:
        state.failed(lease(A), error)
    assert state.pause_s() == pause_s
    assert state.pause_s() is None


def test_the_last_real_cause_is_told():
    state = failover()
    for error in (BadUpstreamResponse("first"), TooSlow("second"), Throttled("third", retry_after_s=3.0)):
        state.failed(lease(A), error)
    told = state.exhausted(7.0)
    assert isinstance(told, Exhausted)
    assert (told.status, told.message, state.cause.message) == (504, "second (3 attempts)", "second")
    assert "x-should-retry" not in told.headers


@pytest.mark.parametrize(("waits", "told_s"), [([None, None], 7.0), ([30.0, 4.0], 4.0), ([None, 9.0], 9.0)])
def test_429_only_if_there_was_nothing_else_with_the_smallest_wait(waits, told_s):
    state = failover()
    for wait_s in waits:
        state.failed(lease(A), Throttled("x", retry_after_s=wait_s))
    told = state.exhausted(7.0)
    assert (told.status, told.retry_after_s) == (429, told_s)


def test_what_no_repetition_mends_says_so():
    state = failover()
    state.failed(lease(A), UpstreamAuthError("x"))
    state.failed(lease(B), NotServed("x"))
    assert state.exhausted(None).headers["x-should-retry"] == "false"


def test_a_refusal_that_no_other_endpoint_took_is_relayed():
    state = failover()
    error = rejected(RefusalKind.CONTEXT, "prompt is too long: 9 tokens > 8 maximum")
    state.failed(lease(A), error)
    state.failed(lease(B), Throttled("x"))
    assert state.exhausted(None) is error
