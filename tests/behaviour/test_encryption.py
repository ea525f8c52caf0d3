"""With a key, no prompt is readable on disk; without the right one, it is said what is missing."""

from __future__ import annotations

import pytest

from octoroute.errors import ConfigError
from octoroute.runtime import persistence
from octoroute.store.vault import new_key
from tests.support.live_gateway import endpoint

pytest.importorskip("cryptography", reason="the extra octoroute[encryption]")
ONE, TWO = new_key(), new_key()
WORD = "the-zebra-crossing"


@pytest.fixture
def start(make_gateway, fake, tmp_path):
    async def start(*keys: str):
        store = {"url": f"sqlite:///{tmp_path}/history.db", "bodies": True, "encryption_keys": list(keys)}
        return await make_gateway([endpoint(fake, id="a")], store=store, auth={"admin_keys": ["the-admin-key"]})

    return start


def on_disk(tmp_path) -> bytes:
    return b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


async def test_bodies_and_stored_responses_are_sealed(start, tmp_path):
    gateway = await start(ONE)
    made = await gateway.ask({"model": "fast", "input": WORD}, path="/v1/responses")
    assert made.status_code == 200
    assert (await gateway.client.get(f"/v1/responses/{made.json()['id']}")).json() == made.json()
    assert WORD in (await gateway.app.runtime.history.get(made.headers["x-request-id"])).body.request.decode()
    await gateway.close()
    assert WORD.encode() not in on_disk(tmp_path)

    rotated = await start(TWO, ONE)
    assert (await rotated.client.get(f"/v1/responses/{made.json()['id']}")).json() == made.json()
    await rotated.close()

    wrong = await start(TWO)
    refused = await wrong.client.get(f"/v1/responses/{made.json()['id']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")
    assert "encrypted" in refused.json()["error"]["message"]
    kept = await wrong.app.runtime.history.get(made.headers["x-request-id"])
    assert kept.row.labels.ending == "answered"
    assert "store.encryption_keys" in kept.body.problem
    shown = await wrong.client.get(f"/admin/requests/{made.headers['x-request-id']}/body", headers={"x-api-key": "the-admin-key"})
    assert (shown.status_code, shown.json()["error"]["code"]) == (503, "store_unavailable")
    assert (await wrong.ask({"model": "fast", "input": "x"}, path="/v1/responses")).status_code == 200


async def test_without_the_library_nothing_starts(start, monkeypatch):
    monkeypatch.setattr(persistence, "has_cryptography", lambda: False)
    with pytest.raises(ConfigError, match=r"octoroute\[encryption\]"):
        await start(ONE)


@pytest.mark.parametrize("key", ["", "too short", ONE[:-2], "é" * 44], ids=["nothing", "too short", "cut", "no ASCII"])
async def test_what_is_no_key_is_said_and_not_shown(start, key):
    with pytest.raises(ConfigError) as caught:
        await start(key)
    said = str(caught.value)
    assert "store.encryption_keys[0]" in said
    assert not key or key not in said
