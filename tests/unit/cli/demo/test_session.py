"""One run of the demo: its port, its configuration, and what becomes of a tour that fails or is interrupted."""

import asyncio
import io
import signal
import socket

import httpx2
import pytest

from octoroute.cli.demo.models import ModelServer
from octoroute.cli.demo.screen import Screen
from octoroute.cli.demo.script import PROFILES
from octoroute.cli.demo.session import DemoSession, configuration, free_port, simulated
from octoroute.domain.endpoint import Tier
from octoroute.errors import OctorouteError


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_that_is_asked_for_and_in_use_is_an_error(taken):
    with pytest.raises(OctorouteError, match=f"port {taken} is in use"):
        free_port(taken)


def test_the_default_port_is_given_up_when_it_is_in_use(taken):
    assert free_port(None, taken) == 0


def test_every_model_of_the_configuration_is_served_at_its_address():
    config = configuration(["http://h:1/v1", "http://h:2/v1", "http://h:3/v1"], 0)
    served = {f"http://h:{at}/v1": profile.models for at, profile in enumerate(PROFILES, 1)}
    assert {endpoint.tier for endpoint in config.endpoints} == {Tier.FAST, Tier.BALANCED, Tier.DEEP}
    assert all(endpoint.model in served[endpoint.base_url] for endpoint in config.endpoints)


async def test_the_simulated_servers_answer_while_they_run_and_not_afterwards():
    async with simulated([ModelServer(profile) for profile in PROFILES]) as addresses, httpx2.AsyncClient() as client:
        for profile, url in zip(PROFILES, addresses, strict=True):
            rows = (await client.get(f"{url}/models")).json()["data"]
            assert [row["id"] for row in rows] == list(profile.models)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(addresses[0].split(":")[2].partition("/")[0]))


@pytest.fixture
async def stops():
    """How often the process was told to stop."""
    seen = []
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, seen.append, signal.SIGTERM)
    yield seen
    loop.remove_signal_handler(signal.SIGTERM)


def started(out: io.StringIO) -> DemoSession:
    demo = DemoSession(Screen(out, {}), [], [], once=False, env={})
    demo.start("http://127.0.0.1:1")
    return demo


async def test_a_tour_that_fails_stops_the_gateway_and_its_error_is_raised(stops):
    demo = started(io.StringIO())
    with pytest.raises(OctorouteError, match="the tour ended early: no response from the gateway"):
        await demo.wait()
    await asyncio.sleep(0)
    assert stops == [signal.SIGTERM]


async def test_a_stop_ends_the_tour_without_an_error(stops):
    demo = started(io.StringIO())
    demo.cancel()
    await demo.wait()
    demo.cancel()
    await asyncio.sleep(0)
    assert stops == []


async def test_after_a_stop_no_tour_begins():
    out = io.StringIO()
    demo = DemoSession(Screen(out, {}), [], [], once=False, env={})
    demo.cancel()
    demo.start("http://127.0.0.1:1")
    await demo.wait()
    assert out.getvalue() == ""
