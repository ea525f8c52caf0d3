"""A person's data are deleted on request, over HTTP."""

from __future__ import annotations

import json

import pytest

from tests.support.fake import completion, whole
from tests.support.live_gateway import endpoint, question

AUTH = {
    "clients": [
        {"name": name, "key": f"key-of-{name}", "role": role}
        for name, role in (("ann", "user"), ("bob", "user"), ("ops", "operator"), ("boss", "admin"))
    ]
}


def key(name):
    return {"x-api-key": f"key-of-{name}"}


@pytest.fixture(params=["memory", "sqlite"])
async def gateway(request, make_gateway, fake, tmp_path):
    parts = {"state_directory": tmp_path} if request.param == "sqlite" else {}
    fake.always(whole(completion()))
    store = {"bodies": True}
    made = await make_gateway(
        [endpoint(fake, id="a")], auth=AUTH, parts=parts, store=store, audit={"file": str(tmp_path / "audit.ndjson")}
    )
    for name in ("ann", "ann", "bob"):
        assert (await made.ask(question(user=f"user-of-{name}"), headers=key(name))).status_code == 200
        body = {"model": "auto", "input": "hello", "user": f"user-of-{name}"}
        assert (await made.ask(body, "/v1/responses", headers=key(name))).status_code == 200
    return made


async def forget(gateway, path, name="boss"):
    return await gateway.client.delete(f"/admin/history/{path}", headers=key(name))


async def requests_of(gateway, name) -> int:
    answer = await gateway.client.get("/admin/stats", params={"key": name}, headers=key("ops"))
    return answer.json()["total"]["requests"]


async def test_all_of_a_key_is_gone_and_nothing_of_another(gateway, tmp_path):
    answer = await forget(gateway, "keys/ann")
    assert answer.status_code == 200
    found = answer.json()
    bodies = 4 if gateway.app.runtime.persistence.database else 0  # none are kept in memory
    assert (found["key"], found["requests"], found["bodies"], found["responses"]) == ("ann", 4, bodies, 2)
    assert await requests_of(gateway, "ann") == 0
    assert await requests_of(gateway, "bob") == 2
    assert (await forget(gateway, "keys/ann")).json()["requests"] == 0
    line = json.loads((tmp_path / "audit.ndjson").read_text().splitlines()[0])
    assert (line["actor"], line["action"], line["details"]) == ("boss", "DELETE /admin/history/keys/{name:path}", {"name": "ann"})


async def test_a_stored_response_of_a_forgotten_key_is_gone(gateway):
    made = (await gateway.ask({"model": "auto", "input": "hi"}, "/v1/responses", headers=key("ann"))).json()["id"]
    other = (await gateway.ask({"model": "auto", "input": "hi"}, "/v1/responses", headers=key("bob"))).json()["id"]
    await forget(gateway, "keys/ann")
    assert (await gateway.client.get(f"/v1/responses/{made}", headers=key("ann"))).status_code == 404
    assert (await gateway.client.get(f"/v1/responses/{other}", headers=key("bob"))).status_code == 200


@pytest.mark.parametrize("gateway", ["sqlite"], indirect=True)
async def test_all_of_an_end_user_is_gone(gateway):
    found = (await forget(gateway, "users/user-of-ann")).json()
    assert (found["user"], found["requests"], found["bodies"], found["responses"]) == ("user-of-ann", 4, 4, 2)
    assert (await forget(gateway, "users/user-of-bob%2F..")).json()["requests"] == 0
    assert (await forget(gateway, "users/user-of-bob")).json()["requests"] == 2


async def test_only_an_administrator_may(gateway):
    for path in ("keys/ann", "users/user-of-ann"):
        assert (await forget(gateway, path, "ops")).status_code == 403
        assert (await forget(gateway, path, "ann")).status_code == 403
    assert await requests_of(gateway, "ann") == 4
