"""What providers report of real requests teaches the estimate, and costs next to nothing however many there are."""

from __future__ import annotations

import pytest

from octoroute.gateway.token_count import LEARN_EVERY_S, LEARN_FIRST, EstimateCalibration
from tests.support.live_gateway import Clock


def test_the_factor_is_learned_and_bounded():
    calibration = EstimateCalibration()
    assert calibration.factor("m") == 1
    calibration.learn("m", estimated=100, reported=120)
    assert calibration.factor("m") == pytest.approx(1.2)
    for _ in range(200):
        calibration.learn("m", estimated=100, reported=10_000)
    assert 1.9 < calibration.factor("m") <= 2
    assert calibration.factor("n") == 1


def test_after_the_first_reports_of_a_model_one_now_and_then_is_enough():
    clock = Clock()
    calibration = EstimateCalibration(clock)
    for _ in range(LEARN_FIRST):
        assert calibration.wants("m")
        calibration.learn("m", estimated=100, reported=120)
    assert not calibration.wants("m")
    assert calibration.wants("n")
    clock.now += LEARN_EVERY_S
    assert calibration.wants("m")
    calibration.learn("m", estimated=100, reported=120)
    assert not calibration.wants("m")
