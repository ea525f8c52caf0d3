"""Lines wait for their turn: a limit, the operator's hours, and clients that wait."""

from __future__ import annotations

import asyncio

import pytest

from octoroute.runtime import line_gate
from octoroute.runtime.line_gate import BatchSettings, LineGate, is_within

NIGHT = (22 * 60, 6 * 60)


@pytest.mark.parametrize(
    ("hours", "hour", "expected"),
    [
        (None, 12, True),
        (NIGHT, 21, False),
        (NIGHT, 22, True),
        (NIGHT, 0, True),
        (NIGHT, 5, True),
        (NIGHT, 6, False),
        ((60, 120), 1, True),
        ((60, 120), 2, False),
    ],
)
def test_hours_of_the_day(hours, hour, expected):
    assert is_within(hours, 86400 * 20_000 + hour * 3600) is expected


class Setting:
    now = 0.0
    busy = False
    settings = BatchSettings(concurrency=2, hours=None, max_line_bytes=100, retention_s=1.0)

    def __init__(self) -> None:
        self.gate = LineGate(lambda: self.settings, lambda: self.busy, lambda: self.now)


async def test_no_more_than_the_limit_are_inside():
    gate = Setting().gate
    assert await gate.enter(1.0)
    assert await gate.enter(1.0)
    third = asyncio.ensure_future(gate.enter(1.0))
    await asyncio.sleep(0)
    assert not third.done()
    gate.leave()
    assert await third


@pytest.mark.parametrize("change", [{"busy": True}, {"settings": Setting.settings._replace(concurrency=0)}])
async def test_lines_rest_until_there_is_no_time_left(change, monkeypatch):
    monkeypatch.setattr(line_gate, "PAUSE_S", 0.001)
    setting = Setting()
    for name, value in change.items():
        setattr(setting, name, value)
    waiting = asyncio.ensure_future(setting.gate.enter(1.0))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    setting.now = 1.0
    assert not await waiting
