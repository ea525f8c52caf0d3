"""The server's own view of the client, and the one that is made of ASGI messages."""

from __future__ import annotations

from octoroute.server.downstream import EXTENSION, AsgiDownstream, downstream_of
from octoroute.server.http1.exchange import ServerExchange
from tests.support.http1 import GET, answering, connect, never, turns


async def test_whoever_wraps_the_messages_is_not_passed_by():
    kinds = []

    async def app(scope, receive, send):
        async def wrapped(message):
            await send(message)

        async def heard():
            return await receive()

        kinds.extend(type(downstream_of(scope, *ways)) for ways in ((receive, send), (receive, wrapped), (heard, send)))
        kinds.append(type(downstream_of({"type": "http"}, receive, send)))
        assert isinstance(scope["extensions"][EXTENSION], ServerExchange)
        await answering()(scope, receive, send)

    connection, _, _ = connect(app)
    connection.data_received(GET)
    await turns()
    assert kinds == [ServerExchange, AsgiDownstream, AsgiDownstream, AsgiDownstream]


async def test_a_client_made_of_messages_says_the_same():
    sent = []

    async def send(message):
        sent.append(message)

    client = AsgiDownstream(never, send)
    assert client.body() is None
    assert client.answer({"x": "y"}, b"body")
    assert not sent
    await client.drain()
    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"x", b"y"), (b"content-length", b"4")]},
        {"type": "http.response.body", "body": b"body"},
    ]
    sent.clear()
    assert client.begin({})
    assert client.write(b"a")
    await client.drain()
    assert client.end()
    await client.drain()
    assert [message.get("body") for message in sent] == [None, b"a", b""]
    assert [message.get("more_body") for message in sent] == [None, True, None]
