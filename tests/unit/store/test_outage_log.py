"""The log has an outage once."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from octoroute.store.outage_log import QUIET_S, OutageLog
from tests.support.live_gateway import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told(clock):
    with capture_logs() as lines:
        yield OutageLog("db", clock), lambda: [line["log_level"] for line in lines]


def test_an_outage_and_its_end_are_said_once(told):
    log, levels = told
    log.back()
    assert levels() == []
    for _ in range(3):
        log.away("gone", "spool")
    log.taken_in = 7
    log.back()
    log.back()
    assert levels() == ["error", "info"]


def test_what_an_earlier_process_left_is_said(told):
    log, levels = told
    log.taken_in = 3
    log.back()
    assert levels() == ["info"]


def test_a_store_that_comes_and_goes_is_said_once_a_minute(told, clock):
    log, levels = told
    for _ in range(30):
        log.away("full", "memory")
        clock.pass_(1)
        log.back()
        clock.pass_(1)
    assert levels() == ["error", "info"]
    clock.pass_(QUIET_S)
    log.away("full", "memory")
    log.back()
    assert levels() == ["error", "info", "error", "info"]
