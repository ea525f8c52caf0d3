"""The routes of stored responses, without a network."""

from __future__ import annotations

import json

import pytest

from tests.support.asgi import serving


async def put(app, items, id: str = "resp_1") -> None:
    _, recorder = await app._kept.responses.prepare(json.dumps({"input": items}).encode(), "")
    await recorder.complete(json.dumps({"id": id, "status": "completed", "output": []}).encode())


async def test_a_stored_response_is_read_listed_and_deleted():
    async with serving() as (app, client):
        await put(app, "hello")
        assert (await client.get("/v1/responses/resp_1")).json()["id"] == "resp_1"
        page = (await client.get("/v1/responses/resp_1/input_items")).json()
        assert (page["first_id"], page["has_more"], len(page["data"])) == (page["last_id"], False, 1)
        assert (await client.delete("/v1/responses/resp_1")).json()["deleted"] is True
        assert (await client.get("/v1/responses/resp_1/input_items")).status_code == 404


async def test_a_response_is_not_streamed_again():
    async with serving() as (app, client):
        await put(app, "hello")
        response = await client.get("/v1/responses/resp_1?stream=true")
        assert (response.status_code, response.json()["error"]["param"]) == (400, "stream")


async def test_an_empty_page_has_no_ids():
    async with serving() as (app, client):
        await put(app, [])
        page = (await client.get("/v1/responses/resp_1/input_items")).json()
        assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"input":[]}', b'{"model":7,"input":"x"}'])
async def test_a_count_of_something_else_is_a_400(body):
    async with serving() as (_, client):
        response = await client.post("/v1/responses/input_tokens", content=body)
        assert response.status_code == 400
        assert response.headers["x-should-retry"] == "false"


async def test_other_methods_are_a_405():
    async with serving() as (_, client):
        for method, path in (
            ("PUT", "/v1/responses/x"),
            ("POST", "/v1/responses/x/input_items"),
            ("GET", "/v1/responses/x/cancel"),
            ("GET", "/v1/responses/compact/x"),
        ):
            assert (await client.request(method, path)).status_code in {404, 405}
