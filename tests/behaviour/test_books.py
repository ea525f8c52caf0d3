"""The books balance: what budgets settled, what the history has, and what the vendor billed are the same to the micro-dollar.

`python tests/torture/budgets.py` does the same at length.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.support import redis_server
from tests.support.books import Chaos, Vendor, tables
from tests.support.live_gateway import LiveGateway


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
async def test_settled_history_and_bill_are_the_same_to_the_micro_dollar(kind, make_fake, tmp_path):
    fakes = [await make_fake(), await make_fake()]
    chance = Random(11)
    server = None
    shared = {"memory": "", "sqlite": f"sqlite:///{tmp_path / 'l.db'}", "redis": ""}[kind]
    if kind == "redis":
        pytest.importorskip("redis")
        if redis_server.program() is None:
            pytest.skip("Redis is not installed (Debian: redis-server)")
        server = redis_server.RedisServer(tmp_path)
        server.start()
        shared = server.url
    gateway = await LiveGateway.open(tables(fakes, shared))
    chaos = Chaos(gateway, [Vendor("small", fakes[0], chance), Vendor("big", fakes[1], chance)])
    try:
        await chaos.run(120)
        if server is not None:
            server.pause()
            await chaos.run(60)
            assert chaos.ledger.state.failures
            server.resume()
            await chaos.run(20)
        bill = sum(vendor.bill_micros for vendor in chaos.vendors)
        assert bill > 0
        assert 200 in chaos.statuses
        gateway.app.runtime.sink.flush()
        assert chaos.history_micros == bill
        assert await chaos.settled_micros() == bill
    finally:
        await gateway.close()
        if server is not None:
            server.stop()
