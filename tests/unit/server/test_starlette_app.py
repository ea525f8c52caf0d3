"""What stands around the routes of Starlette: keys, the size of headers, and errors in the client's dialect."""

from __future__ import annotations

import pytest

from tests.support.asgi import row, serving

LOCKED = {"auth": {"keys": ["k"]}}


async def test_an_unknown_path_and_a_wrong_method_are_errors_like_all_others():
    async with serving() as (app, client):
        missing = await client.get("/nope")
        wrong = await client.delete("/health")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_route")
        assert "/nope" in missing.json()["error"]["message"]
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
        assert "GET" in wrong.headers["allow"]
        assert app.runtime.metrics.total("octoroute_client_errors_total") == 2


@pytest.mark.parametrize(
    ("path", "headers", "anthropic"),
    [("/nope", {}, False), ("/nope", {"anthropic-version": "2023-06-01"}, True), ("/v1/messages/nope", {}, True)],
)
async def test_the_dialect_of_an_error_is_the_clients(path, headers, anthropic):
    async with serving() as (_, client):
        answer = await client.get(path, headers=headers)
        assert (answer.json().get("type") == "error") is anthropic
        assert ("request-id" in answer.headers) is anthropic


async def test_without_a_key_only_health_is_open():
    async with serving([row()], tables=LOCKED) as (_, client):
        for path in ("/health", "/health/live"):
            assert (await client.get(path)).status_code == 200
        for path in ("/", "/metrics", "/healthy", "/nope", "/v1/models"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["error"]["message"][:15]) == (401, "the API key is ")
        assert (await client.get("/", headers={"x-api-key": "k"})).status_code == 200


async def test_headers_that_are_too_large_are_refused_before_the_key_is_looked_at():
    async with serving([row()], tables=LOCKED) as (_, client):
        answer = await client.get("/", headers={"x": "y" * 40_000})
        assert answer.status_code == 431
        assert answer.headers["x-request-id"].startswith("req_")


async def test_an_error_keeps_the_clients_request_id():
    async with serving() as (_, client):
        assert (await client.get("/nope", headers={"x-request-id": "mine"})).headers["x-request-id"] == "mine"
