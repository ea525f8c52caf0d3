"""Persons that cannot be forgotten, and names that are unusual."""

from __future__ import annotations

import pytest

from octoroute.store.base import StoreUnavailable
from tests.support.live_gateway import endpoint

AUTH = {"clients": [{"name": "boss", "key": "key-of-boss", "role": "admin"}]}


async def forget(gateway, path):
    return await gateway.client.delete(f"/admin/history/{path}", headers={"x-api-key": "key-of-boss"})


@pytest.mark.parametrize("name", ["a%2Fb", "%ED%A0%80", "%00", "' OR 1=1 --", "n" * 3000])
async def test_any_name_may_arrive(make_gateway, fake, tmp_path, name):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH, parts={"state_directory": tmp_path})
    for path in ("keys", "users"):
        answer = await forget(gateway, f"{path}/{name}")
        assert (answer.status_code, answer.json()["requests"]) == (200, 0)


async def test_the_memory_of_several_workers_is_not_reached(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH, server={"workers": 2})
    answer = await forget(gateway, "keys/ann")
    assert (answer.status_code, "restart" in answer.json()["error"]["message"]) == (400, True)


async def test_a_database_that_is_away_deletes_nothing(make_gateway, fake, monkeypatch):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)

    async def away(_name):
        raise StoreUnavailable("the disk is gone")

    monkeypatch.setattr(gateway.app.runtime.history, "forget", away)
    assert (await forget(gateway, "keys/ann")).status_code == 503
