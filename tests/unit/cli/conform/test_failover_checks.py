"""The failures that the checks of failover inject are what a model server would send."""

from __future__ import annotations

import asyncio

import pytest

from octoroute.cli.conform.failover_checks import FAILOVER_CHECKS
from octoroute.cli.conform.model_server import ModelServers
from octoroute.cli.conform.probe_client import BrokenPromise, ProbeClient
from octoroute.cli.conform.scripts import plain_answer
from octoroute.cli.conform.suite import Bench

OVER = [check for check in FAILOVER_CHECKS if check.id.startswith("over-")]


@pytest.mark.parametrize("check", OVER, ids=lambda check: check.id)
async def test_a_single_server_without_a_gateway_fails(check):
    servers = ModelServers(plain_answer)
    (port,) = await servers.start("127.0.0.1", [0])
    client = ProbeClient(f"http://127.0.0.1:{port}", "")
    with pytest.raises(BrokenPromise):
        await asyncio.wait_for(check.run(Bench(client, "conform", servers)), 30)
    await client.close()
    await servers.stop()
