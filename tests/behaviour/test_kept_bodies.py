"""An operator who asks for bodies finds what clients sent and got, and nobody else's history has any."""

from __future__ import annotations

import asyncio
import json

import pytest

from octoroute.store.base import HistoryFilter
from tests.support.live_gateway import endpoint, settings

ROLES = [{"name": role, "key": f"the-key-of-{role}", "role": role} for role in ("viewer", "operator")]


@pytest.fixture
def start(make_gateway, fake, tmp_path):
    async def start(**store):
        return await make_gateway(
            [endpoint(fake, id="a", api_key="sk-upstream-secret-1")],
            store={"url": f"sqlite:///{tmp_path}/history.db", **store},
            auth={"clients": [{"name": name, "key": f"the-key-of-{name}"} for name in ("team", "legal")] + ROLES},
        )

    return start


def as_client(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer the-key-of-{name}"}


async def body_of(gateway, response):
    return (await gateway.app.runtime.history.get(response.headers["x-request-id"])).body


async def test_off_by_default(start):
    gateway = await start()
    assert await body_of(gateway, await gateway.ask(headers=as_client("team"))) is None


async def test_whole_and_streamed_exchanges_are_kept_and_found(start):
    gateway = await start(bodies=True, bodies_except=["legal"])
    question = {"model": "fast", "messages": [{"role": "user", "content": "my password is sk-abcdefghijkl, zebra"}]}
    whole = await gateway.ask(json.dumps(question).encode(), headers=as_client("team"))
    stream = await gateway.ask(stream=True, headers=as_client("team"))
    secret = await gateway.ask(headers=as_client("legal"))
    kept = await body_of(gateway, whole)
    assert kept.request == json.dumps(question).replace("sk-abcdefghijkl", "***").encode()
    assert kept.response == whole.content
    assert (await body_of(gateway, stream)).response == stream.content
    assert b"[DONE]" in stream.content
    assert await body_of(gateway, secret) is None
    found = await gateway.app.runtime.history.page(HistoryFilter(text="ZEBRA", where={"key": ("team",)}), limit=5)
    assert [row.id for row in found.rows] == [whole.headers["x-request-id"]]


async def test_a_failed_request_has_its_error(start):
    gateway = await start(bodies=True)
    failed = await gateway.ask(model="no-such-model", headers=as_client("team"))
    assert failed.status_code == 404
    assert (await body_of(gateway, failed)).response == failed.content


async def test_a_reload_switches_it(start, fake, tmp_path):
    gateway = await start(bodies=True)

    await gateway.reload(settings([endpoint(fake, id="a")], store={"url": f"sqlite:///{tmp_path}/history.db"}))
    assert await body_of(gateway, await gateway.ask()) is None


async def test_requests_at_the_same_time_keep_their_own_bodies(start):
    gateway = await start(bodies=True)
    asked = [
        gateway.ask({"model": "fast", "messages": [{"role": "user", "content": f"number {at}."}]}, headers=as_client("team"))
        for at in range(20)
    ]
    for at, response in enumerate(await asyncio.gather(*asked)):
        assert f"number {at}." in (await body_of(gateway, response)).request.decode()


async def test_a_history_in_memory_keeps_no_bodies(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], store={"bodies": True})
    assert await body_of(gateway, await gateway.ask()) is None


async def test_operators_read_and_search_them_and_viewers_do_not(start):
    gateway = await start(bodies=True, bodies_max_bytes=1024, bodies_except=["legal"])
    asked = await gateway.ask(
        {"model": "fast", "messages": [{"role": "user", "content": "zebra " * 500}]}, headers=as_client("team")
    )
    unkept = await gateway.ask(headers=as_client("legal"))
    path = f"/admin/requests/{asked.headers['x-request-id']}/body"
    shown = await gateway.client.get(path, headers=as_client("operator"))
    assert shown.json()["request"]["cut"]
    assert shown.json()["request"]["bytes"] > 3000
    assert shown.json()["request"]["text"].count("zebra") > 100
    assert shown.json()["response"] == {"bytes": len(asked.content), "cut": False, "text": asked.text}
    found = await gateway.client.get("/admin/requests?q=zebra%20ZEBRA", headers=as_client("operator"))
    assert [row["id"] for row in found.json()["data"]] == [asked.headers["x-request-id"]]
    for role in ("viewer", "team"):
        assert (await gateway.client.get(path, headers=as_client(role))).status_code == 403
        assert (await gateway.client.get("/admin/requests?q=zebra", headers=as_client(role))).status_code == 403
    for id in (unkept.headers["x-request-id"], "unknown"):
        missing = await gateway.client.get(f"/admin/requests/{id}/body", headers=as_client("operator"))
        assert missing.status_code == 404
