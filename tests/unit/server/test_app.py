"""The application: which route answers, and what a reload changes."""

from __future__ import annotations

import pytest

from octoroute.server.app import App
from tests.support.asgi import row, serving
from tests.support.live_gateway import configured, settings


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/completions", "/v1/embeddings", "/chat"]
)
async def test_an_inference_route_takes_posts_only(path):
    async with serving() as (_, client):
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_path_is_matched_as_a_whole():
    async with serving() as (_, client):
        for path in ("/V1/chat/completions", "/v1/chat/completions/x", "/x/v1/chat/completions"):
            assert (await client.post(path, json={})).status_code == 404, path


async def test_a_reload_changes_keys_sizes_and_models_at_once():
    async with serving() as (app, client):
        assert (await client.get("/v1/models")).status_code == 200
        app.reload(configured(settings([row("other")], auth={"keys": ["k"]}, server={"max_request_bytes": 3})))
        assert (await client.get("/v1/models")).status_code == 401
        headers = {"x-api-key": "k"}
        names = [one["id"] for one in (await client.get("/v1/models", headers=headers)).json()["data"]]
        assert "other" in names
        assert "m" not in names
        assert (await client.post("/v1/chat/completions", headers=headers, json={"long": 1})).status_code == 413
        assert app.config.server.max_request_bytes == 3


async def test_the_traffic_log_wraps_the_routes_only_while_it_is_on(tmp_path):
    def tree(*, on: bool):
        return settings([row()], logging={"traffic": {"enabled": on, "directory": str(tmp_path)}})

    app = App(configured(tree(on=True)))
    assert app._hot is app._plain, "nothing is recorded before the start"
    await app.start()
    try:
        assert app._hot is not app._plain
        app.reload(configured(tree(on=False)))
        assert app._hot is app._plain
    finally:
        await app.stop()


async def test_the_lifespan_starts_and_stops_it_and_ends():
    app = App(configured(settings([row()])))
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
