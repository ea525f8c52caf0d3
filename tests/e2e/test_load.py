"""The torture under load in its short form; the long one is `python tests/torture/load.py --all`."""

from __future__ import annotations

import asyncio

from tests.support.live_gateway import endpoint
from tests.torture import load
from tests.torture.asking import LEFT
from tests.torture.endpoint import Endpoint
from tests.torture.hangups import storm

SETTLED_S = 5.0
"""In company a second may be none."""


async def test_nobody_notices_while_one_endpoint_is_fit():
    told = await load.troubles(requests=400, concurrency=32)
    assert told["fell_over"], "nothing has happened"


async def test_whoever_leaves_leaves_nothing_behind():
    told = await load.hangups(seconds=3, settled_s=SETTLED_S)
    assert told["endings"][LEFT] > 100


async def test_readers_that_do_not_read_are_held_back():
    await load.readers(count=100, patient=3, settled_s=SETTLED_S)


async def test_a_day_of_all_kinds_of_traffic_leaves_nothing_in_memory():
    told = await load.day(requests=2500, warm_up=1500, looks=1, conversations=500, growth_bytes=3e6)
    assert {"answered", "refused", "failed", "broken", "abandoned"} <= set(told["endings"])


async def test_whoever_leaves_leaves_no_task_behind(make_gateway):
    """As above in this process, where tasks can be counted."""
    server = await Endpoint("e0").start()
    try:
        gateway = await make_gateway([endpoint(server.url, id="e0")])
        before = len(asyncio.all_tasks())
        accounts = await storm(gateway.url, seconds=1, concurrency=16, seed=0)
        assert any(account.ending == LEFT for account in accounts)
        async with asyncio.timeout(SETTLED_S):
            while len(asyncio.all_tasks()) > before or gateway.metric("octoroute_inflight_requests"):
                await asyncio.sleep(0.01)
    finally:
        await server.kill()
