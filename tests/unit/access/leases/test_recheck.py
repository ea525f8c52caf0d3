"""A refusal is asked about once more, and then believed for a while."""

from octoroute.access.leases.base import LeaseRefusal
from octoroute.access.leases.recheck import EXHAUSTED_S, MAX_WINDOWS, Recheck
from tests.support.lease_backends import charge


def test_a_window_that_was_refused_twice_is_exhausted_for_a_while():
    recheck, refusal = Recheck(), LeaseRefusal(charge("w", 5, 10), 2)
    assert recheck.is_due(refusal, 100.0)
    recheck.failed(refusal, 100.0)
    assert not recheck.is_due(refusal, 100.0 + EXHAUSTED_S / 2)
    assert recheck.is_due(LeaseRefusal(charge("v", 5, 10), 2), 100.0)
    assert recheck.is_due(refusal, 100.0 + EXHAUSTED_S)


def test_what_can_never_fit_is_not_asked_for_again():
    assert not Recheck().is_due(LeaseRefusal(charge("w", 11, 10), 10), 100.0)


def test_it_remembers_so_many_windows():
    recheck = Recheck()
    for number in range(3 * MAX_WINDOWS):
        recheck.failed(LeaseRefusal(charge(f"w{number}", 5, 10), 2), 100.0)
    assert len(recheck._exhausted_at) <= MAX_WINDOWS
