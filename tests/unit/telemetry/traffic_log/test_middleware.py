"""The middleware records both directions of a request and its outcome, and passes everything on unchanged."""

from __future__ import annotations

import asyncio

import pytest

from octoroute.telemetry.traffic_log.middleware import TrafficMiddleware
from tests.support.outcomes import outcome

SCOPE = {"type": "http", "method": "POST", "path": "/v1/messages", "headers": [(b"accept", b"*/*")]}


class Log:
    max_body_bytes = 100

    def __init__(self) -> None:
        self.records = []

    def offer(self, record) -> None:
        self.records.append(record)


async def call(app, body: bytes = b"question") -> list[dict]:
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    await app(SCOPE, receive, send)
    return sent


def echo(middleware: TrafficMiddleware):
    """Answers with the body, and settles as the request with that id."""

    async def route(scope, receive, send):
        body = (await receive())["body"]
        await asyncio.sleep(0)  # other requests get their turn
        middleware.on_outcome(outcome(request_id=body.decode()), None)
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-request-id", body)]})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return route


async def test_a_request_is_recorded_and_passed_on():
    middleware, log = TrafficMiddleware(lambda: 7.0), Log()
    route = echo(middleware)
    plain = await call(route)
    middleware.record_to(log)
    assert await call(middleware.around(route)) == plain
    (record,) = log.records
    assert (record.method, record.path, record.at, record.status, record.request_id) == (
        "POST",
        "/v1/messages",
        7.0,
        201,
        "question",
    )
    assert (record.request_body.bytes(), record.response_body.bytes()) == (b"question", b"question")
    assert record.outcome.request_id == "question"


async def test_requests_at_the_same_time_get_their_own_outcomes():
    middleware, log = TrafficMiddleware(lambda: 0.0), Log()
    middleware.record_to(log)
    app = middleware.around(echo(middleware))
    await asyncio.gather(*(asyncio.create_task(call(app, b"%d" % number)) for number in range(5)))
    assert sorted((record.request_id, record.outcome.request_id) for record in log.records) == [(str(n), str(n)) for n in range(5)]


async def test_without_a_log_nothing_is_recorded():
    middleware, log = TrafficMiddleware(lambda: 0.0), Log()
    app = middleware.around(echo(middleware))
    middleware.record_to(log)
    middleware.record_to(None)
    assert len(await call(app)) == 2
    assert log.records == []


async def test_a_request_that_fails_is_recorded_and_fails():
    middleware, log = TrafficMiddleware(lambda: 0.0), Log()
    middleware.record_to(log)

    async def route(scope, receive, send):
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        await call(middleware.around(route))
    assert [record.status for record in log.records] == [None]
    assert middleware._current.get() is None


async def test_an_outcome_outside_of_a_recorded_request_is_ignored():
    middleware, log = TrafficMiddleware(lambda: 0.0), Log()
    middleware.on_outcome(outcome(), None)
    middleware.record_to(log)
    await call(middleware.around(echo(middleware)), b"inside")
    middleware.on_outcome(outcome(request_id="outside"), None)
    assert [record.outcome.request_id for record in log.records] == ["inside"]
