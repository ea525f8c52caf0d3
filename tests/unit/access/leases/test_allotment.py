"""What is held in advance: it covers the next requests, is small beside what is left, and comes back."""

from octoroute.access.leases.allotment import REQUESTS_AHEAD, Allotment
from tests.support.lease_backends import FAR, charge

NOW = FAR - 10


def used(left: int, amount: int = 5, limit: int = 100_000) -> Allotment:
    allotment = Allotment()
    allotment.granted([charge("w", amount, limit)], (left,))
    return allotment


def test_nothing_is_taken_before_it_is_held():
    assert used(90_000).take([charge("w", 5, 100_000)]) is None


def test_the_next_requests_are_covered():
    allotment = used(90_000)
    (asked,) = allotment.asks(NOW)
    assert asked.amount == 5 * REQUESTS_AHEAD
    assert allotment.asks(NOW) == [], "asked once"
    allotment.answered(asked, 80_000)
    for taken in range(1, REQUESTS_AHEAD + 1):
        assert allotment.take([charge("w", 5, 100_000)]) == (80_000 + asked.amount - 5 * taken,)
    assert allotment.take([charge("w", 5, 100_000)]) is None


def test_near_the_limit_less_is_asked_for_and_before_it_nothing():
    assert used(640).asks(NOW)[0].amount == 80
    assert used(39).asks(NOW) == [], "it would not cover a request"


def test_near_the_limit_what_is_not_used_is_given_back_apart():
    far, near = used(90_000), used(640)
    for allotment in (far, near):
        allotment.answered(allotment.asks(NOW)[0], 560 if allotment is near else 80_000)
        allotment.give_back_unused(NOW, only_near=True)
    assert (far.is_near, near.is_near) == (False, True)
    assert far.give_back_unused(NOW, only_near=True) == []
    assert [part.released for part in near.give_back_unused(NOW, only_near=True)] == [80]
    assert not near.is_near


def test_all_windows_or_none_are_taken_from():
    allotment = used(90_000)
    allotment.answered(allotment.asks(NOW)[0], 80_000)
    assert allotment.take([charge("w", 5, 100_000), charge("v", 5, 100_000)]) is None
    assert allotment.give_back([charge("w", 1, 1)])[0].released == 5 * REQUESTS_AHEAD


def test_what_is_not_used_is_given_back():
    allotment = used(90_000)
    allotment.answered(allotment.asks(NOW)[0], 80_000)
    assert allotment.give_back_unused(NOW) == []
    (back,) = allotment.give_back_unused(NOW)
    assert (back.released, back.spent) == (5 * REQUESTS_AHEAD, 0)
    assert allotment.take([charge("w", 5, 100_000)]) is None


def test_a_window_that_has_ended_is_given_back_at_once():
    allotment = used(90_000)
    allotment.answered(allotment.asks(NOW)[0], 80_000)
    assert len(allotment.give_back_unused(FAR + 1)) == 1
    assert allotment.asks(FAR + 1) == []


def test_another_limit_is_not_covered():
    allotment = used(90_000)
    allotment.answered(allotment.asks(NOW)[0], 80_000)
    assert allotment.take([charge("w", 5, 10)]) is None


def test_a_refused_request_for_an_advance_is_not_repeated_at_once():
    allotment = used(90_000)
    allotment.answered(allotment.asks(NOW)[0], None)
    assert allotment.asks(NOW) == []


def test_after_a_failure_nothing_is_held():
    allotment = used(90_000)
    allotment.answered(allotment.asks(NOW)[0], 80_000)
    allotment.clear()
    assert allotment.take([charge("w", 5, 100_000)]) is None
