"""GET /admin/live and the cancellation of a request, over the real application."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from tests.support.fake import hang, stream, tokens
from tests.support.live_gateway import endpoint, frames

KEYS = {
    "clients": [
        {"name": "team", "key": "k-team"},
        {"name": "boss", "key": "k-boss", "role": "operator"},
        {"name": "board", "key": "k-board", "role": "viewer"},
    ]
}
TEAM, BOSS, BOARD = ({"x-api-key": key} for key in ("k-team", "k-boss", "k-board"))


@pytest.fixture
async def guarded(make_gateway, fake):
    return await make_gateway([endpoint(fake, id="a")], auth=KEYS)


@contextlib.asynccontextmanager
async def watched(gateway, headers=BOARD):
    """Reads the next view that satisfies a condition."""
    async with gateway.client.stream("GET", "/admin/live", headers={**headers, "accept": "text/event-stream"}) as response:
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        lines = response.aiter_lines()

        async def until(satisfied):
            async with asyncio.timeout(10):
                async for line in lines:
                    if line.startswith("data: ") and satisfied(found := json.loads(line[6:])):
                        return found
            raise AssertionError("the stream ended")

        yield until


async def test_a_watcher_sees_a_request_come_answer_and_go(guarded, fake):
    fake.then(stream(tokens(["one"])[:2], end="hang"))
    async with watched(guarded) as until:
        empty = await until(lambda view: True)
        assert (empty["in_flight"], empty["queued"], empty["requests"], empty["workers"]) == (0, 0, [], 1)
        async with guarded.stream(headers={**TEAM, "x-request-id": "mine"}) as response:
            view = await until(lambda view: view["in_flight"] == 1 and view["requests"][0]["state"] == "answering")
            (row,) = view["requests"]
            assert (row["id"], row["key"], row["model"], row["endpoint"], row["attempt"]) == ("mine", "team", "auto", "a", 1)
            assert row["first_token_s"] is not None
            assert abs(row["started_at"] - view["at"]) < 60
            await response.aclose()
        await until(lambda view: view["requests"] == [])


async def test_without_an_event_stream_it_is_one_json_object(guarded, fake):
    fake.always(hang)
    tasks = [asyncio.ensure_future(guarded.ask(headers=TEAM)) for _ in range(3)]
    await fake.asked(3)
    view = (await guarded.get("/admin/live?limit=2", headers=BOARD)).json()
    assert (view["in_flight"], len(view["requests"])) == (3, 2)
    assert {row["state"] for row in view["requests"]} == {"waiting"}
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "9" * 50, "\u0663"])
async def test_a_limit_that_is_none_is_named(guarded, limit):
    answer = await guarded.client.get("/admin/live", params={"limit": limit}, headers=BOARD)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "limit")


async def test_an_operator_cancels_a_request_that_waits_and_no_sdk_tries_again(guarded, fake):
    fake.always(hang)
    task = asyncio.ensure_future(guarded.ask(headers={**TEAM, "x-request-id": "mine"}))
    await fake.asked()
    for headers, status in ((TEAM, 403), (BOARD, 403), ({}, 401)):
        assert (await guarded.client.post("/admin/live/mine/cancel", headers=headers)).status_code == status
    assert (await guarded.client.post("/admin/live/mine/cancel", headers=BOSS)).json() == {"id": "mine", "cancelled": 1}
    answer = await task
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "request_cancelled")
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-octoroute-endpoint"] == "a"
    await fake.hung_up_on()
    gone = await guarded.client.post("/admin/live/mine/cancel", headers=BOSS)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "not_stored")
    assert (await guarded.client.get("/models", headers=TEAM)).json()["models"][0]["consecutive_failures"] == 0


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_stream_that_is_cancelled_ends_with_an_error_in_the_clients_dialect(guarded, fake, path):
    fake.always(stream(tokens(["one"])[:2], end="hang"))
    body = {"model": "auto", "stream": True, "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
    sent = {**TEAM, "x-request-id": "mine"}
    async with guarded.client.stream("POST", path, json=body, headers=sent) as response:
        pieces = response.aiter_raw()
        data = await anext(pieces)
        assert (await guarded.client.post("/admin/live/mine/cancel", headers=BOSS)).status_code == 200
        async for piece in pieces:
            data += piece
    text = data.decode()
    assert "an operator of the gateway has cancelled this request" in text
    if path == "/v1/chat/completions":
        assert frames(data)[-1]["error"]["code"] == "request_cancelled"
    await fake.hung_up_on()
    await guarded.quiet()
    assert guarded.metric("octoroute_outcomes_total", outcome="broken") == 1
    assert (await guarded.get("/admin/live", headers=BOARD)).json()["in_flight"] == 0


async def test_a_client_that_does_not_read_is_cancelled_too(guarded, fake):
    many = [b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": "x" * 60000}}]}).encode() + b"\n\n"] * 400
    fake.always(stream(many, end="hang"))
    async with guarded.stream(headers={**TEAM, "x-request-id": "mine"}):
        await fake.asked()
        await asyncio.sleep(0.3)
        assert (await guarded.client.post("/admin/live/mine/cancel", headers=BOSS)).status_code == 200
        await fake.hung_up_on(5)
    assert guarded.metric("octoroute_outcomes_total", outcome="broken") == 1


async def test_a_watcher_does_not_hold_up_the_end_of_the_process(guarded):
    async with watched(guarded) as until:
        await until(lambda view: True)
        guarded.app.listener.stopping = True
        with pytest.raises(AssertionError, match="the stream ended"):
            await until(lambda view: view["in_flight"])


async def test_a_watcher_that_leaves_leaves_nothing_behind(guarded):
    async with watched(guarded) as until:
        await until(lambda view: True)
    async with asyncio.timeout(5):
        while guarded._server.server_state.tasks:
            await asyncio.sleep(0.02)
