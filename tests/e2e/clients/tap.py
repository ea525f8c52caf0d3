"""A relay between a client and the gateway that keeps what both said, so that what arrived upstream can be held against it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h11


@dataclass(frozen=True)
class Sent:
    method: str
    path: str
    body: bytes

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Tap:
    def __init__(self, port: int) -> None:
        self._target = port
        self._connections: list[tuple[bytearray, bytearray]] = []
        """(from the client, from the gateway) of each."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """The address for the client."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._target)
        kept = (bytearray(), bytearray())
        self._connections.append(kept)
        for source, sink, copy in ((reader, forth, kept[0]), (back, writer, kept[1])):
            task = asyncio.ensure_future(_pass_on(source, sink, copy))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def sent(self) -> list[Sent]:
        """Every whole request of the client."""
        return [request for said, _ in self._connections for request in _requests(bytes(said))]

    def headers(self, name: str) -> list[str]:
        """The values of a header in the gateway's responses."""
        pattern = re.compile(rb"^" + name.encode() + rb": *(.*?)\r$", re.MULTILINE | re.IGNORECASE)
        return [value.decode("latin-1") for _, said in self._connections for value in pattern.findall(bytes(said))]


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter, copy: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            copy += data
            sink.write(data)
            await sink.drain()
    sink.close()


def _requests(said: bytes) -> Iterator[Sent]:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(said)
    request, body = None, b""
    with contextlib.suppress(h11.RemoteProtocolError):
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request, body = event, b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                yield Sent(request.method.decode(), request.target.decode(), body)
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return
                connection.start_next_cycle()
            else:
                return
