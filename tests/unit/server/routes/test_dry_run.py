"""An explanation and a count, without an answer."""

from __future__ import annotations

import pytest

from tests.support.asgi import row, serving

BODY = {"model": "auto", "max_tokens": 5, "messages": [{"role": "user", "content": "hello there"}]}


async def test_a_route_is_explained_though_nothing_can_be_reached():
    async with serving([row("a")]) as (_, client):
        explained = (await client.post("/v1/route", json=BODY)).json()
        assert (explained["tier"], explained["endpoint"], explained["strategy"]) == ("fast", "a", "rule")


async def test_tokens_are_estimated_where_no_endpoint_counts():
    async with serving([row("a")]) as (_, client):
        answer = await client.post("/v1/messages/count_tokens", json=BODY)
        assert answer.json()["input_tokens"] > 0
        assert answer.headers["x-octoroute-token-count"] == "estimate"


@pytest.mark.parametrize("path", ["/v1/route", "/v1/messages/count_tokens"])
async def test_a_dry_run_has_the_limits_of_a_real_one(path):
    async with serving([row("a")], tables={"server": {"max_request_bytes": 200}}) as (_, client):
        assert (await client.post(path, json={**BODY, "x": "y" * 200})).status_code == 413
        assert (await client.post(path, content=b"{}", headers={"content-type": "text/plain"})).status_code == 415
        assert (await client.post(path, content=b"{")).status_code == 400
        assert (await client.get(path)).status_code == 405
