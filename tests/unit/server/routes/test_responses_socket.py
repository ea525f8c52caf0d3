"""The Responses API over ASGI's websocket messages, without a server and without endpoints."""

from __future__ import annotations

import asyncio
import json

import pytest

from octoroute.errors import BadRequest
from octoroute.server.routes.responses_socket import check_handshake
from tests.support.asgi import serving

HEADERS = {"host": "localhost", "sec-websocket-version": "13", "sec-websocket-key": "x" * 24}


class Socket:
    def __init__(self, app, path="/v1/responses", headers=HEADERS) -> None:
        self.incoming: asyncio.Queue = asyncio.Queue()
        self.sent: list = []
        self.incoming.put_nowait({"type": "websocket.connect"})
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "websocket", "scheme": "ws", "path": path, "headers": encoded, "http_version": "1.1"}
        self.task = asyncio.ensure_future(app(scope, self.incoming.get, self.send))

    async def send(self, message) -> None:
        self.sent.append(message)

    def says(self, value) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(value)})

    async def ended(self) -> list:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self.task
        return self.sent


async def test_an_error_of_the_gateway_is_an_event():
    async with serving() as (app, _):
        socket = Socket(app)
        socket.says({"type": "response.create", "model": "m", "input": "x", "stream_id": 'a"b'})
        async with asyncio.timeout(10):  # the retries take as long as their random back-off
            while len(socket.sent) < 2:
                await asyncio.sleep(0.01)
        accepted, event = await socket.ended()
    assert accepted["type"] == "websocket.accept"
    told = json.loads(event["text"])
    assert (told["type"], told["stream_id"]) == ("error", 'a"b')
    assert told["status"] in {502, 503}


async def test_a_drain_closes_an_idle_socket():
    async with serving() as (app, _):
        socket = Socket(app)
        socket.incoming.put_nowait({"type": "octoroute.drain"})
        await asyncio.wait_for(socket.task, 1)
        assert socket.sent[-1] == {"type": "websocket.close", "code": 1001, "reason": "the gateway stops"}


async def test_a_denial_uses_the_messages_of_its_extension():
    async with serving() as (app, _):
        socket = Socket(app, "/v1/models")
        await socket.task
    assert [message["type"] for message in socket.sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert socket.sent[0]["status"] == 426


@pytest.mark.parametrize(
    ("served", "headers", "status"),
    [
        (False, HEADERS, 426),
        (True, {**HEADERS, "sec-websocket-version": "12"}, 426),
        (True, {}, 426),
        (True, {**HEADERS, "sec-websocket-key": "x"}, 400),
    ],
)
def test_a_handshake_that_is_none(served, headers, status):
    with pytest.raises(BadRequest) as caught:
        check_handshake(served, headers)
    assert caught.value.status == status
