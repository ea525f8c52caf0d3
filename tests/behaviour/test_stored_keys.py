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


async def test_what_a_client_stored_is_its_own_after_a_rotation_and_nobody_elses(make_gateway, fake, store):
    """The pattern of litellm PR 39559: a stored response belongs to the client that made it."""
    first, other = store.add(Principal(name="team"), 0.0), store.add(Principal(name="other"), 0.0)
    gateway = await make_gateway([endpoint(fake, id="a")], parts={"key_file": store.path})
    made = await gateway.ask({"model": "auto", "input": "hi"}, "/v1/responses", headers={"x-api-key": first.text})
    path = f"/v1/responses/{made.json()['id']}"
    second = store.rotate("team", 0.0, 1e12)
    await until_status(gateway, {"x-api-key": second.text}, 200)
    for key, status in ((first, 200), (second, 200), (other, 404)):
        assert (await gateway.get(path, headers={"x-api-key": key.text})).status_code == status


@pytest.mark.parametrize(
    "text",
    [
        "' OR '1'='1",
        "octo_aaaaaaaa_' UNION SELECT digest FROM api_key --",
        "octo_aaaaaaaa_",
        "\u00e9" * 40,
        "x" * 20_000,
        "%00",
        "*",
    ],
)
async def test_no_text_of_a_key_does_anything_but_match(make_gateway, fake, store, text):
    """The pattern of CVE-2026-42208: a key is looked up by its digest, in memory."""
    store.add(Principal(name="team"), 0.0)
    gateway = await make_gateway([endpoint(fake, id="a")], parts={"key_file": store.path})
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    answer = await gateway.client.post("/v1/chat/completions", json=body, headers=[(b"x-api-key", text.encode("latin-1"))])
    assert answer.status_code == 401
    assert len(store.all_keys()) == 1
