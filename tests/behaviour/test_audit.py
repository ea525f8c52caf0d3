"""The audit log of a running gateway: who changed what, and who was refused what; never a key or a prompt."""

from __future__ import annotations

import json

from octoroute.access.audit import verify
from tests.support.live_gateway import endpoint, question

AUTH = {
    "keys": ["client-secret"],
    "admin_keys": ["admin-secret"],
    "clients": [{"name": "tiny", "key": "t-secret", "tiers": ["fast"]}],
}


async def test_changes_and_refusals_are_in_the_log(make_gateway, fake, tmp_path):
    file = tmp_path / "audit.ndjson"
    gateway = await make_gateway(
        [endpoint(fake, id="a")], [], [endpoint(fake, "big", id="b")], auth=AUTH, audit={"file": str(file)}
    )
    admin, client = {"x-api-key": "admin-secret"}, {"x-api-key": "client-secret"}
    assert (await gateway.client.post("/admin/endpoints/a/disable", headers=admin)).status_code == 200
    assert (await gateway.client.put("/admin/config", headers=admin, content=b"x = 1")).status_code == 400
    assert (await gateway.client.post("/admin/stats/reset", headers=client)).status_code == 403
    assert (await gateway.ask(question("a secret prompt"), headers={"x-api-key": "t-secret"}, model="big")).status_code == 403
    assert (await gateway.ask(question("a secret prompt"), headers={"x-api-key": "guess-secret"})).status_code == 401
    assert (await gateway.get("/admin/stats", headers=admin)).status_code == 200
    await gateway.app._rules.audit.close()
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert {(line["actor"], line["action"], line["outcome"], line["status"]) for line in found} == {
        ("admin-1", "POST /admin/endpoints/{name:path}/disable", "done", 200),
        ("admin-1", "PUT /admin/config", "failed", 400),
        ("key-1", "POST /admin/stats/reset", "refused", 403),
        ("tiny", "POST /v1/chat/completions", "refused", 403),
        ("", "POST /v1/chat/completions", "refused", 401),
    }
    assert next(line for line in found if line["outcome"] == "done")["details"] == {"name": "a"}
    assert "secret" not in file.read_text()
    assert verify(file).problem is None


async def test_it_is_off_unless_it_is_configured(make_gateway, fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    assert (await gateway.ask()).status_code == 401
    assert list(tmp_path.iterdir()) == []
