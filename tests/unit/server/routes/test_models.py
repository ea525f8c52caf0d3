"""Lists of models in two shapes, page by page."""

from __future__ import annotations

import pytest

from tests.support.asgi import row, serving

ANTHROPIC = {"anthropic-version": "2023-06-01"}


async def test_every_listed_model_can_be_looked_up_in_both_shapes():
    async with serving([row("small")], [row("large")]) as (_, client):
        openai = (await client.get("/v1/models")).json()
        names = [one["id"] for one in openai["data"]]
        assert [*("auto", "fast", "balanced", "deep")] == names[: len(("auto", "fast", "balanced", "deep"))]
        assert {"small", "large"} <= set(names)
        anthropic = (await client.get("/v1/models?limit=1000", headers=ANTHROPIC)).json()
        assert [one["id"] for one in anthropic["data"]][-len(names) :] == names
        assert (anthropic["first_id"], anthropic["last_id"]) == (anthropic["data"][0]["id"], names[-1])
        for name in names:
            assert (await client.get(f"/v1/models/{name}")).json() in openai["data"]
            assert (await client.get(f"/v1/models/{name}", headers=ANTHROPIC)).json() in anthropic["data"]


async def test_an_unknown_model_is_a_404_that_names_it_in_part():
    async with serving() as (_, client):
        answer = await client.get(f"/v1/models/{'x' * 500}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
        assert "x" * 200 in answer.text
        assert "x" * 201 not in answer.text


@pytest.mark.parametrize("on", [True, False])
async def test_claudes_names_are_listed_for_anthropics_clients_if_they_are_aliases(on):
    async with serving([row()], tables={"routing": {"claude_aliases": on}}) as (_, client):
        listed = (await client.get("/v1/models?limit=1000", headers=ANTHROPIC)).json()["data"]
        assert any(one["id"].startswith("claude") for one in listed) is on


async def test_an_endpoint_is_shown_with_its_circuit():
    async with serving([row("a"), row("b")], tables={"health": {"failure_threshold": 1}}) as (app, client):
        rows = (await client.get("/models")).json()["models"]
        assert [(one["id"], one["healthy"], one["circuit"]) for one in rows] == [("a", True, "closed"), ("b", True, "closed")]
        await client.post("/v1/chat/completions", json={"model": "a", "messages": [{"role": "user", "content": "x"}]})
        rows = {one["id"]: one for one in (await client.get("/models")).json()["models"]}
        assert (rows["a"]["healthy"], rows["a"]["consecutive_failures"]) == (False, 1)
        assert app.gateway.settings.endpoints[0].id == "a"
