"""A server connection over a transport that writes into a list, and small ASGI applications."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from octoroute.server.downstream import downstream_of
from octoroute.server.http1.connection import ServerConnection
from octoroute.server.http1.listener import ListenerState

GET = b"GET /a%20b?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"


TEXT = [(b"content-type", b"text/plain")]


def post(body: bytes, headers: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n%b\r\n%b" % (len(body), headers, body)


class Wire:
    """A transport that writes into a list."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_read = True
        self.closed = False
        self.aborted = False
        self.ended = False
        self.unsent = 0

    @property
    def out(self) -> bytes:
        return b"".join(self.writes)

    def write(self, data):
        assert not self.closed
        self.writes.append(bytes(data))

    def writelines(self, data):
        self.write(b"".join(data))

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.ended = True

    def abort(self):
        self.closed = self.aborted = True

    def get_write_buffer_size(self):
        return self.unsent

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def set_write_buffer_limits(self, high):
        assert high >= 0

    def pause_reading(self):
        self.is_read = False

    def resume_reading(self):
        self.is_read = True

    def get_extra_info(self, name):
        return {"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 5000)}.get(name)


def connect(app) -> tuple[ServerConnection, Wire, SimpleNamespace]:
    census = SimpleNamespace(connections=set(), tasks=set(), total_requests=0)
    listener = ListenerState()
    connection, wire = ServerConnection(SimpleNamespace(loaded_app=app), census, {}, listener=listener), Wire()
    connection.connection_made(wire)
    return connection, wire, census


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def answering(body: bytes = b"hello", status: int = 200, headers=(), pieces=()):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": [*headers]})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": body})

    return app


def directly(use):
    """An application that is given the client instead of messages."""

    async def app(scope, receive, send):
        await use(downstream_of(scope, receive, send))

    return app


async def never(*_args) -> None:
    await asyncio.Event().wait()
