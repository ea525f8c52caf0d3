"""The background probe: GET {base_url}/models, with credentials, for all endpoints at once, for ever."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.fake import close, error, hang, reset, whole
from tests.support.live_gateway import endpoint, until


@pytest.fixture
async def probed(make_gateway, fake):
    return await make_gateway(
        [endpoint(fake, id="a", api_key="probe-key", headers={"X-Team": "t"})],
        health={"interval_seconds": 0.03, "failure_threshold": 2},
        parts={"chance": lambda: 0.0},
    )


async def test_it_asks_for_the_models_with_the_endpoints_credentials(probed, fake):
    """v1 §10.22: the address is base_url + /models, no doubled /v1, no double slash; v1 weakness 16: no credentials."""
    await until(lambda: len(fake.probes) >= 3)
    seen = fake.probes[0]
    assert (seen.method, seen.path) == ("GET", "/v1/models")
    assert seen.headers["authorization"] == "Bearer probe-key"
    assert seen.headers["x-team"] == "t"
    assert not fake.requests
    assert (await probed.row("a"))["last_check_seconds_ago"] < 1


@pytest.mark.parametrize("status", [200, 204, 404, 405])
async def test_a_server_that_answers_is_alive_even_without_a_list(probed, fake, status):
    fake.models = error(status)
    await until(lambda: len(fake.probes) >= 3)
    assert (await probed.row("a"))["circuit"] == "closed"


@pytest.mark.parametrize("step", [error(503), error(401), error(403), reset, close], ids=["503", "401", "403", "reset", "close"])
async def test_one_that_does_not_is_asked_last_before_any_request_meets_it_and_is_back_by_itself(
    make_fake, make_gateway, fake, step
):
    other = await make_fake("other")
    gateway = await make_gateway(
        [endpoint(fake, id="a", priority=9), endpoint(other, id="b")],
        health={"interval_seconds": 0.03, "failure_threshold": 2},
        parts={"chance": lambda: 0.0},
    )
    fake.models = step
    await until(lambda: gateway.metric("octoroute_circuit_state", endpoint="a") == 2)
    assert (await gateway.row("a"))["healthy"] is False
    assert (await gateway.ask()).headers["x-octoroute-endpoint"] == "b"
    assert not fake.requests
    other.always(error(500))
    assert (await gateway.ask()).headers["x-octoroute-endpoint"] == "a", "there is no other: a probe alone refuses no client"
    assert (await gateway.row("a"))["healthy"] is True, "a success has the last word"


async def test_a_suspicion_ends_with_a_good_probe(probed, fake):
    fake.models = close
    await until(lambda: probed.metric("octoroute_circuit_state", endpoint="a") == 2)
    fake.models = whole({"data": []})
    await until(lambda: probed.metric("octoroute_circuit_state", endpoint="a") == 0)
    assert not fake.requests


@pytest.mark.parametrize("status", [301, 400, 404, 405, 429, 500, 501])
async def test_a_server_without_a_usable_list_is_served(probed, fake, status):
    fake.models = error(status)
    await until(lambda: len(fake.probes) >= 3)
    assert (await probed.row("a"))["circuit"] == "closed"


async def test_s02_a_400_that_is_about_the_key_is_no_sign_of_life(probed, fake):
    body = {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}}
    fake.models = whole(body, 400)
    await until(lambda: probed.metric("octoroute_circuit_state", endpoint="a") == 2)


async def test_o17_a_catalogue_is_not_read(probed, fake):
    sent = []

    async def catalogue(exchange):
        exchange.head(200, {"content-type": "application/json", "content-length": str(50_000_000)})
        for _ in range(500):
            if exchange.gone.is_set():
                break
            exchange.write(b"x" * 100_000)
            sent.append(100_000)
            await exchange.flushed()

    fake.models = catalogue
    await until(lambda: len(fake.probes) >= 3)
    assert sum(sent) < 10_000_000 * len(fake.probes), "the connection is closed instead"
    assert (await probed.row("a"))["circuit"] == "closed"


async def test_one_silent_endpoint_does_not_hold_up_the_others(make_fake, make_gateway):
    silent, lively = await make_fake(), await make_fake()
    silent.models = hang
    await make_gateway([endpoint(silent), endpoint(lively)], health={"interval_seconds": 0.05}, parts={"chance": lambda: 0.0})
    await until(lambda: bool(silent.probes and lively.probes))


async def test_interval_zero_is_off_and_a_reload_turns_it_on(make_gateway, fake):
    from tests.support.live_gateway import settings

    gateway = await make_gateway([endpoint(fake)], parts={"chance": lambda: 0.0})
    await asyncio.sleep(0.1)
    assert not fake.probes
    await gateway.reload(settings([endpoint(fake)], health={"interval_seconds": 0.05}))
    await until(lambda: len(fake.probes) >= 2, within_s=5)


async def test_a_probe_that_dies_is_counted_told_in_health_and_restarted(probed, fake):
    """v1 weakness 17: the supervisor gave up after five failures, and the server went on without it."""
    assert (await probed.get("/health")).json()["background_task_status"] == "operational"
    probed.app.runtime.health_check._endpoints = lambda: 1 / 0
    await until(lambda: probed.metric("octoroute_background_health_task_failures_total", failure_type="panic") == 1)
    body = (await probed.get("/health")).json()
    assert (body["background_task_status"], body["background_task_failures"]) == ("degraded", 1)
    before = len(fake.probes)
    probed.app.runtime.health_check._endpoints = lambda: probed.app.gateway.settings.endpoints
    await until(lambda: len(fake.probes) > before, within_s=5)
    assert (await probed.ask()).status_code == 200


async def test_a_probe_that_cannot_be_made_is_counted_and_does_not_end_the_others(make_fake, make_gateway):
    one, two = await make_fake(), await make_fake()
    gateway = await make_gateway([endpoint(one, id="1"), endpoint(two, id="2")])
    ask = gateway.app.runtime.health_check._upstream.probe

    async def probe(asked, timeout_s):
        if asked.id == "1":
            raise RuntimeError("a bug")
        await ask(asked, timeout_s)

    gateway.app.runtime.health_check._upstream = type("Broken", (), {"probe": staticmethod(probe)})()
    await gateway.app.runtime.health_check.round()
    assert two.probes
    assert gateway.metric("octoroute_health_tracking_failures_total", endpoint="1", error_type="probe_failed") == 1
    assert (await gateway.get("/health")).json()["health_tracking_status"] == "degraded"
