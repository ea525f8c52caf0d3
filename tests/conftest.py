"""Fixtures everybody may use: fake endpoints, and gateways in front of them. Whatever they start, they stop."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import hypothesis
import pytest

from tests.support import redis_server
from tests.support.fake import Fake
from tests.support.live_gateway import LiveGateway, Process, endpoint, settings

# Gateways that tests start keep their history here, not in the state directory of the user who runs the tests.
os.environ["OCTOROUTE_STATE_DIR"] = tempfile.mkdtemp(prefix="octoroute-tests-")
atexit.register(shutil.rmtree, os.environ["OCTOROUTE_STATE_DIR"], ignore_errors=True)

# Deadline and health check are about seconds, which belong to the machine and its neighbours.
hypothesis.settings.register_profile(
    "octoroute",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    max_examples=int(os.environ.get("OCTOROUTE_EXAMPLES", "100")),
)
hypothesis.settings.load_profile("octoroute")


@pytest.hookimpl(optionalhook=True)  # there is none without pytest-xdist
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a fifth of the time that the tests take is waited for a socket, a signal or a limit."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.fixture
async def started() -> AsyncIterator[contextlib.AsyncExitStack]:
    async with contextlib.AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def make_fake(started: contextlib.AsyncExitStack) -> Callable[..., Awaitable[Fake]]:
    async def make(name: str = "fake") -> Fake:
        fake = await Fake(name).start()
        started.push_async_callback(fake.kill)
        return fake

    return make


@pytest.fixture
def make_gateway(started: contextlib.AsyncExitStack) -> Callable[..., Awaitable[LiveGateway]]:
    async def make(*args, parts=None, **tables) -> LiveGateway:
        gateway = await LiveGateway.open(settings(*args, **tables), **(parts or {}))
        started.push_async_callback(gateway.close)
        return gateway

    return make


@pytest.fixture
def make_process(started: contextlib.AsyncExitStack, tmp_path) -> Callable[..., Awaitable[Process]]:
    async def make(*args, ready=True, env=None, **tables) -> Process:
        process = await Process.start(tmp_path, settings(*args, **tables), ready=ready, env=env)
        started.push_async_callback(process.stop)
        return process

    return make


@pytest.fixture
async def fake(make_fake) -> Fake:
    return await make_fake()


@pytest.fixture
async def gateway(make_gateway, fake) -> LiveGateway:
    """One fake endpoint, id `a`, name `model-a`, tier fast."""
    return await make_gateway([endpoint(fake, id="a")])


@pytest.fixture
def redis(tmp_path) -> Iterator[redis_server.RedisServer]:
    """A real Redis server of its own."""
    pytest.importorskip("redis")
    if redis_server.program() is None:
        pytest.skip("Redis is not installed (Debian: redis-server)")
    server = redis_server.RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()
