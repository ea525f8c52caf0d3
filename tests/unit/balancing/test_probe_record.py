"""What probes say, counted apart."""

from __future__ import annotations

from octoroute.balancing.probe_record import ProbeRecord


def test_the_threshold_makes_suspect_once_and_a_success_ends_it():
    record = ProbeRecord()
    assert [record.failed("x", 3) for _ in range(5)] == [False, False, True, False, False]
    assert record.suspicion == "x"
    assert record.succeeded()
    assert (record.failures, record.suspicion) == (0, None)
    assert not record.succeeded()


def test_some_failures_need_no_second_one():
    record = ProbeRecord()
    assert record.failed("a wrong key", 3, at_once=True)
