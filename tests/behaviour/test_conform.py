"""`octoroute conform` finds what is wrong with a gateway, and nothing where nothing is."""

from __future__ import annotations

import json

import pytest

from octoroute.cli.conform.api_checks import API_CHECKS
from octoroute.cli.conform.failover_checks import FAILOVER_CHECKS
from octoroute.cli.conform.messages_checks import MESSAGES_CHECKS
from octoroute.cli.conform.model_server import ModelServers
from octoroute.cli.conform.probe_client import ProbeClient
from octoroute.cli.conform.scripts import plain_answer
from octoroute.cli.conform.stream_checks import STREAM_CHECKS
from octoroute.cli.conform.suite import Bench, Result, run_checks
from tests.support.gateways import NaiveProxy, Relayed

CHECKS = (*API_CHECKS, *MESSAGES_CHECKS, *STREAM_CHECKS, *FAILOVER_CHECKS)
BY_ID = {check.id: check for check in CHECKS}


@pytest.fixture
async def servers():
    started = ModelServers(plain_answer)
    ports = await started.start("127.0.0.1", [0, 0])
    yield started, ports
    await started.stop()


async def findings(url: str, servers: ModelServers | None, *ids: str, key: str = "", step_limit_s: float = 5.0):
    client = ProbeClient(url, key)
    try:
        checks = [BY_ID[id] for id in ids] if ids else CHECKS
        return {finding.id: finding async for finding in run_checks(checks, Bench(client, "conform", servers, step_limit_s))}
    finally:
        await client.close()


async def test_octoroute_keeps_every_promise(servers, make_gateway):
    started, ports = servers
    rows = [{"name": "conform", "base_url": f"http://127.0.0.1:{port}/v1"} for port in ports]
    gateway = await make_gateway(rows, auth={"keys": ["sk-conform"]})
    found = await findings(gateway.url, started, key="sk-conform")
    assert {id: finding.detail for id, finding in found.items() if finding.result is not Result.PASSED} == {}


async def test_without_model_servers_of_its_own_it_checks_what_any_client_sees(servers, make_gateway):
    _, ports = servers
    gateway = await make_gateway([{"name": "conform", "base_url": f"http://127.0.0.1:{ports[0]}/v1"}])
    found = await findings(gateway.url + "/v1/", None)
    assert {finding.result for finding in found.values()} == {Result.PASSED, Result.SKIPPED}
    passed = {id for id, finding in found.items() if finding.result is Result.PASSED}
    assert passed == {check.id for check in (*API_CHECKS, *MESSAGES_CHECKS[:4])} - {"error-key"}


async def test_a_naive_proxy_is_told_apart(servers):
    started, ports = servers
    async with NaiveProxy(*ports) as url:
        found = await findings(url, started, key="any", step_limit_s=0.6)
    failed = {id for id, finding in found.items() if finding.result is Result.FAILED}
    assert {"stream-at-once", "cut-close", "cut-reset", "hang-up-before", "hang-up-during", "error-json", "error-key"} < failed
    assert {id for id in BY_ID if id.startswith("over-")} < failed
    assert {id for id, finding in found.items() if finding.result is Result.SKIPPED} == {check.id for check in MESSAGES_CHECKS}
    assert {"models", "chat", "stream", "stream-utf8", "stream-tools", "request-kept", "refusal"} <= set(found) - failed


def replaced(old: bytes, new: bytes):
    return lambda relayed: relayed._replace(body=relayed.body.replace(old, new))


def as_(status: int):
    return lambda relayed: relayed if relayed.status == 200 else relayed._replace(status=status)


TWISTS = {
    "models": replaced(b'"id"', b'"name"'),
    "chat": replaced(b'"usage"', b'"use"'),
    "stream": replaced(b"data: [DONE]\n\n", b""),
    "stream-unknown": replaced(b"x_vendor", b"x_other"),
    "stream-utf8": replaced("\u6f22".encode(), b"?"),
    "stream-lines": replaced(b"data:{", b"dat:{"),
    "stream-long": replaced(b"0123456789abcdef" * 3, b""),
    "stream-usage": replaced(b'"total_tokens": 14', b'"total_tokens": 0'),
    "stream-tools": replaced(b'"index": 0, "id": "call_1"', b'"index": 0'),
    "cut-error": replaced(b'"error"', b'"x"'),
    "all-500": as_(200),
    "all-429": as_(500),
    "refusal": as_(502),
}


@pytest.mark.parametrize("id", TWISTS)
async def test_each_promise_that_is_broken_is_found(servers, id):
    started, ports = servers
    async with NaiveProxy(*ports) as url:
        assert (await findings(url, started, id))[id].result is Result.PASSED
    async with NaiveProxy(*ports, twist=TWISTS[id]) as url:
        found = (await findings(url, started, id))[id]
    assert found.result is Result.FAILED
    assert found.detail


async def test_a_request_that_is_changed_is_found(servers):
    def through_floats(body: bytes) -> bytes:
        return json.dumps(json.loads(body), separators=(",", ":")).replace("9007199254740993", "9007199254740992").encode()

    started, ports = servers
    async with NaiveProxy(*ports, twist_request=through_floats) as url:
        found = await findings(url, started, "request-kept")
    assert found["request-kept"].detail == "seed reached the model server as 9007199254740992, not as 9007199254740993"


async def test_a_refusal_that_is_repeated_is_found(servers):
    started, ports = servers
    async with NaiveProxy(*ports, retries=2) as url:
        found = await findings(url, started, "refusal")
    assert found["refusal"].detail == "a request that no repetition mends was sent 3 times"


SHAPES = [
    b"[]",
    b"null",
    b'{"data": 1}',
    b'{"choices": {}}',
    b'{"choices": [null], "usage": 3}',
    b"\xff\xfe",
    b'{"error": []}',
    b"",
]


@pytest.mark.parametrize("body", SHAPES)
@pytest.mark.parametrize("status", [200, 400, 500])
async def test_whatever_a_gateway_answers_is_a_finding(servers, body, status):
    """Not an exception of the checks' own."""
    _, ports = servers

    def twist(_: Relayed) -> Relayed:
        return Relayed(status, "application/json", body)

    async with NaiveProxy(*ports, twist=twist) as url:
        found = await findings(url, None, *(check.id for check in (*API_CHECKS, *MESSAGES_CHECKS)))
    assert set(found) == {check.id for check in (*API_CHECKS, *MESSAGES_CHECKS)}
    assert found["chat"].result is Result.FAILED


@pytest.mark.parametrize(
    "data", [b"data: [1]\n\n", b"data: {}\n\ndata: [DONE]\n\n", b"hello\n\n", b"data: \xff\n\n", b'data: {"choices": 1}\n\n', b""]
)
async def test_whatever_a_gateway_streams_is_a_finding(servers, data):
    _, ports = servers
    async with NaiveProxy(*ports, twist=lambda _: Relayed(200, "text/event-stream", data)) as url:
        found = await findings(url, None, "stream", "messages-stream")
    assert found["stream"].result is Result.FAILED
    assert found["messages-stream"].result is Result.FAILED


async def test_a_gateway_that_asks_its_models_for_something_else_is_not_blamed(servers):
    started, ports = servers

    class Responses(NaiveProxy):
        async def _ask(self, method: str, path: str, body: bytes) -> Relayed:
            return await super()._ask(method, path.replace("chat/completions", "responses"), body)

    async with Responses(*ports) as url:
        found = await findings(url, started, "chat")
    assert found["chat"].result is Result.SKIPPED
    assert "/v1/responses" in found["chat"].detail


async def test_a_gateway_that_does_not_answer_fails_every_check():
    found = await findings("http://127.0.0.1:9", None, "models", "chat", "stream", "messages")
    assert {finding.result for finding in found.values()} == {Result.FAILED}
    assert found["models"].detail == "GET /models: no answer (ConnectError)"
