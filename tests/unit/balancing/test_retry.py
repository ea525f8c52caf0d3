import pytest

from octoroute.balancing.retry import RetryPolicy


@pytest.mark.parametrize(
    ("backoff", "waits"), [("exponential", [0.1, 0.2, 0.4, 0.8]), ("linear", [0.1, 0.2, 0.3, 0.4]), ("fixed", [0.1] * 4)]
)
def test_the_back_off_grows_as_configured_and_half_of_it_is_chance(backoff, waits):
    """v1 §10.20: 100, 200, 400 ms."""
    retry = RetryPolicy(backoff=backoff)
    for again, wait in enumerate(waits, 1):
        assert retry.wait_s(again, lambda: 1.0) == pytest.approx(wait)
        assert retry.wait_s(again, lambda: 0.0) == pytest.approx(wait / 2)
    assert retry.wait_s(10_000, lambda: 1.0) <= retry.cap_s * 1.01 or backoff == "linear"
    assert retry.wait_s(10_000, lambda: 1.0) <= retry.cap_s
