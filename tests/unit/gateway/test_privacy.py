"""What the gateway's own requests inherit of a client's constraints."""

from __future__ import annotations

import asyncio

from octoroute.domain.principal import Restrictions
from octoroute.gateway.privacy import inherit, inherited


def test_where_data_may_go_is_inherited_and_what_a_client_may_ask_for_is_not():
    with inherit(Restrictions(tiers=frozenset({"deep"}), models=("x",), regions=frozenset({"eu"}))):
        assert inherited() == Restrictions(regions=frozenset({"eu"}))
        with inherit(Restrictions(models=("x",))):
            assert inherited() is None
        assert inherited() == Restrictions(regions=frozenset({"eu"}))
    assert inherited() is None


async def test_tasks_of_the_request_inherit_and_others_do_not():
    outside = asyncio.Event()

    async def stranger() -> Restrictions | None:
        await outside.wait()
        return inherited()

    async def child() -> Restrictions | None:
        return inherited()

    task = asyncio.create_task(stranger())
    with inherit(Restrictions(privacy=frozenset({"eu"}))):
        assert await asyncio.create_task(child()) == Restrictions(privacy=frozenset({"eu"}))
        outside.set()
        assert await task is None
