"""A client that disconnects ends its request at the endpoint, and counts as no failure."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.fake import error, hang, stream, tokens
from tests.support.live_gateway import endpoint
from tests.support.pairs import GOOD, clients, kinds, leave, row


@clients
@kinds
async def test_p43_a_client_that_leaves_in_mid_stream_closes_the_upstream(make_fake, make_gateway, client, kind):
    fake = await make_fake()
    fake.then(
        stream(
            [*GOOD[kind][:-1], *([] if len(GOOD[kind]) > 1 else [GOOD[kind][0].replace(b', "finishReason": "STOP"', b"")])],
            end="hang",
        )
    )
    gateway = await make_gateway([row(fake, kind)])
    await leave(gateway, client, b"one")
    await fake.hung_up_on(within_s=1.0)
    await gateway.quiet()
    assert (await gateway.row(fake.name))["consecutive_failures"] == 0
    assert gateway.metric("octoroute_outcomes_total", outcome="abandoned") == 1


@clients
async def test_p43_and_during_a_back_off_the_waiting_ends(make_gateway, fake, client):
    gateway = await make_gateway([row(fake)], retry={"max_attempts": 50}, health={"failure_threshold": 1000})
    fake.always(error(500))
    await leave(gateway, client, None, fake)
    await gateway.quiet()
    await asyncio.sleep(0.3)
    asked = len(fake.requests)
    await asyncio.sleep(0.2)
    assert len(fake.requests) == asked < 10


@pytest.mark.parametrize("begun", [True, False])
async def test_a26_a_client_that_leaves_closes_the_upstream_and_is_nobodys_failure(make_gateway, fake, begun):
    gateway = await make_gateway([endpoint(fake, id="a")])
    fake.always(stream(tokens(["one"])[:2], end="hang") if begun else hang)

    async def read():
        async with gateway.stream() as response:
            async for _ in response.aiter_raw():
                return

    if begun:
        await read()
    else:
        task = asyncio.ensure_future(read())
        await fake.asked()
        task.cancel()
        await asyncio.wait([task])
    await fake.hung_up_on(within_s=1)
    await gateway.quiet()
    row = await gateway.row("a")
    assert (row["circuit"], row["consecutive_failures"], row["in_flight"]) == ("closed", 0, 0)
    assert gateway.metric("octoroute_outcomes_total", endpoint="a", outcome="abandoned") == 1
