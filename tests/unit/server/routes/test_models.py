"""Lists of models in two shapes, page by page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.errors import BadRequest
from octoroute.server.routes.models import VIRTUAL_MODELS, paged
from tests.support.asgi import row, serving

NAMES = [f"m{number}" for number in range(50)]
ANTHROPIC = {"anthropic-version": "2023-06-01"}


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 7))
def test_pages_put_together_are_the_list_in_either_direction(names, limit):
    forwards, after, more = [], {}, True
    while more:
        page, more = paged(names, {"limit": str(limit), **after})
        assert len(page) <= limit
        forwards += page
        after = {"after_id": page[-1]} if page else {}
    assert forwards == names
    backwards, before, more = [], {"before_id": names[-1]} if names else {}, bool(names)
    while more:
        page, more = paged(names, {"limit": str(limit), **before})
        backwards = page + backwards
        before = {"before_id": page[0]} if page else {}
    assert backwards == names[:-1]


@pytest.mark.parametrize(
    ("query", "page", "more"), [({}, NAMES[:20], True), ({"limit": "1000"}, NAMES, False), ({"after_id": "nope"}, NAMES[:20], True)]
)
def test_what_is_not_asked_for_is_the_first_twenty(query, page, more):
    assert paged(NAMES, query) == (page, more)


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "1.5", "²"])
def test_a_limit_that_is_none_is_named(limit):
    with pytest.raises(BadRequest, match="limit") as raised:
        paged(NAMES, {"limit": limit})
    assert raised.value.param == "limit"


async def test_every_listed_model_can_be_looked_up_in_both_shapes():
    async with serving([row("small")], [row("large")]) as (_, client):
        openai = (await client.get("/v1/models")).json()
        names = [one["id"] for one in openai["data"]]
        assert [*VIRTUAL_MODELS] == names[: len(VIRTUAL_MODELS)]
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
