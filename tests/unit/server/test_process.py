"""The serving process, in this one: what is announced, and what an invalid configuration changes."""

from __future__ import annotations

import asyncio
import gc
import signal

import httpx2
import pytest
from structlog.testing import capture_logs

from octoroute.errors import ConfigError
from octoroute.server.app import App
from octoroute.server.process import reload, run
from tests.support.asgi import row
from tests.support.live_gateway import configured, settings


@pytest.fixture(autouse=True)
def collector():
    """The process tunes the garbage collector; other tests want it as it was."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def invalid():
    raise ConfigError(["server.port: must be a number"])


async def test_an_invalid_configuration_changes_nothing_and_is_logged_without_a_traceback():
    app = App(configured(settings([row()])), load=invalid)
    before = app.config
    with capture_logs() as lines:
        await reload(app, invalid)
    assert app.config is before
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert line["problems"] == ["server.port: must be a number"]
    assert "exc_info" not in line
    await app.stop()


@pytest.mark.parametrize("announce", [True, False])
async def test_it_answers_when_it_says_so_and_stops_on_a_signal(announce):
    config = configured(settings([row()], server={"port": 0}))
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stopping: list[bool] = []
    with capture_logs() as lines:
        running = asyncio.ensure_future(
            run(config, load=lambda: config, ready=ready.set_result, stopping=lambda: stopping.append(True), announce=announce)
        )
        async with httpx2.AsyncClient(base_url=await ready) as client:
            assert (await client.get("/health/live")).status_code == 200
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGTERM)
            await running
    assert stopping == [True]
    events = [line["event"] for line in lines]
    assert "stopping" in events
    assert ("ready" in events) is ("stopped" in events) is announce
