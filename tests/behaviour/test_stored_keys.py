"""Keys that `octoroute keys` makes, at a running gateway."""

from __future__ import annotations

import asyncio

import pytest

from octoroute.access.key_store import SqliteKeyStore
from octoroute.domain.principal import AccessRole, Principal, Restrictions
from tests.support.live_gateway import endpoint


@pytest.fixture
def store(tmp_path):
    return SqliteKeyStore(tmp_path / "keys.db")


async def test_a_running_gateway_follows_the_store(make_gateway, fake, store):
    gateway = await make_gateway([endpoint(fake, id="a")], parts={"key_file": store.path})
    assert (await gateway.ask()).status_code == 200
    made = store.add(Principal(name="team", restrictions=Restrictions(tiers=frozenset({"fast"}))), 0.0)
    headers = {"x-api-key": made.text}
    await until_status(gateway, {}, 401)
    assert (await gateway.ask(headers=headers)).status_code == 200
    store.revoke("team", 1.0)
    await until_status(gateway, headers, 401)
    assert made.text not in (await gateway.get("/health")).text


async def test_keys_of_the_store_survive_a_reload_and_stand_beside_those_of_the_file(make_gateway, fake, store):
    store.add(Principal(name="other"), 0.0)
    made = store.add(Principal(name="boss", role=AccessRole.ADMIN), 0.0)
    gateway = await make_gateway([endpoint(fake, id="a")], auth={"keys": ["k"]}, parts={"key_file": store.path})
    for _ in range(2):
        assert (await gateway.ask(headers={"x-api-key": made.text})).status_code == 200
        assert (await gateway.ask(headers={"x-api-key": "k"})).status_code == 200
        assert (await gateway.get("/admin/config", headers={"x-api-key": made.text})).status_code == 200
        assert (await gateway.get("/admin/config", headers={"x-api-key": "k"})).status_code == 403
        gateway.app.reload(gateway.app.config)


async def until_status(gateway, headers, status):
    async with asyncio.timeout(30):
        while (await gateway.ask(headers=headers)).status_code != status:
            await asyncio.sleep(0.05)
