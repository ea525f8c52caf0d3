"""The listening side: sockets, addresses, and a shutdown that answers what is waiting to be accepted."""

from __future__ import annotations

import asyncio
import socket

import pytest

from octoroute.errors import OctorouteError
from octoroute.server.app import App
from octoroute.server.uvicorn_server import UvicornServer, address, bind, server_for
from tests.support.asgi import row
from tests.support.live_gateway import configured, settings

GET = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"


def test_an_address_is_a_url_with_the_port_that_was_found():
    with bind("127.0.0.1", 0) as listener:
        assert address(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert not address(listener).endswith(":0")


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_ipv6_address_stands_in_brackets():
    try:
        listener = bind("::1", 0)
    except OctorouteError:
        pytest.skip("no IPv6 here")
    with listener:
        assert address(listener).startswith("http://[::1]:")


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", None), ("192.0.2.1", 0), ("127.0.0.1", 70_000)])
def test_what_cannot_be_listened_on_is_named_with_the_keys_to_change(host, port):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] if port is None else port
        with pytest.raises(OctorouteError, match=f"cannot listen on {host}:{port}: .*; set server.host and server.port"):
            bind(host, port)


@pytest.fixture
async def server():
    running = server_for(App(configured(settings([row()]))))
    running.config.load()
    running.lifespan = running.config.lifespan_class(running.config)
    await running.lifespan.startup()
    return running


async def listening(server: UvicornServer) -> socket.socket:
    listener = bind("127.0.0.1", 0)
    await server.startup(sockets=[listener])
    return listener


async def test_a_second_is_ten_ticks(server):
    listener = await listening(server)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(GET)
    await reader.readuntil(b"\r\n\r\n")
    (connection,) = server.server_state.connections
    before = connection.waited_s
    for counter in range(1, 31):
        await server.on_tick(counter)
    assert connection.waited_s == before + 3
    writer.close()
    await server.shutdown(sockets=[listener])


async def test_a_connection_in_the_backlog_at_shutdown_is_answered(server):
    """The listener is not watched by the loop here, so that the connection is accepted by the shutdown or not at all."""
    listener = bind("127.0.0.1", 0)
    host, port = listener.getsockname()
    server.servers = []
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(GET)
    await server.shutdown(sockets=[listener])
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close\r\n" in answer
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)


async def test_a_request_on_an_idle_connection_is_answered_while_it_stops(server):
    listener = await listening(server)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(GET)
    await reader.readuntil(b'"OK"}')
    stopping = asyncio.ensure_future(server.shutdown(sockets=[listener]))
    while not all(connection.is_the_last for connection in server.server_state.connections):
        await asyncio.sleep(0.001)
    writer.write(GET)
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close\r\n" in answer
    await stopping
    writer.close()
