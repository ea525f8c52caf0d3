"""The trace of one decision."""

from __future__ import annotations

from octoroute.domain.trace import EndpointState, PlanInputs, SeededRandom


def test_two_plans_share_no_inputs():
    one, two = PlanInputs(how="fast"), PlanInputs(how="fast")
    one.states["a"] = EndpointState(suspect=True)
    assert two.states == {}


def test_random_numbers_follow_from_their_seed_and_are_even():
    first, again = SeededRandom(7), SeededRandom(7)
    assert [first() for _ in range(5)] == [again() for _ in range(5)]
    seconds = []
    for seed in range(4000):
        draw = SeededRandom(seed << 20)
        draw()
        seconds.append(draw())
    assert all(0.0 <= one < 1.0 for one in seconds)
    shares = [sum(one * 10 // 1 == tenth for one in seconds) for tenth in range(10)]
    assert 300 < min(shares) <= max(shares) < 500
