"""The listening side of HTTP: uvicorn, with our own words for what is no request, and a stop that loses none."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from octoroute.api.edge import MAX_HEADER_BYTES
from octoroute.app import App
from octoroute.dialects.errors import openai_envelope
from octoroute.errors import BadRequest, ClientError, HeadersTooLarge, OctorouteError

BACKLOG = 4096
LINGER_S = 2.0
"""How long a refused client may go on sending."""
GRACE_S = 0.5
"""How long an idle connection is kept when we stop, for the request that is on its way."""
_MAX_HEAD_BYTES = 2 * MAX_HEADER_BYTES


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol with a limit on what may come before a request's body, of which it has none, and our own words for
    what no application ever sees.
    """

    _in_head = False
    _head_bytes = 0
    _refused = False
    is_the_last = False
    """This connection is closed with the next answer."""

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        was_in_head = self._in_head
        super().data_received(data)
        if was_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self._refuse(HeadersTooLarge(f"the request's headers are longer than {_MAX_HEAD_BYTES} bytes"))

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        if self.is_the_last:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        del msg
        self._refuse(BadRequest("the request is not valid HTTP/1.1"))

    def _refuse(self, error: ClientError) -> None:
        """The last answer of this connection, unless another one is under way.

        What the client still sends is read and forgotten for a while: closing at once would reset the connection, and the client
        would lose the answer.
        """
        self._refused = True
        if self.transport.is_closing():
            return
        cycle = self._current()
        if cycle is not None and cycle.response_started:
            self.transport.close()
            return
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        body = openai_envelope(error)
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[error.status] + head + body)
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def _current(self) -> RequestResponseCycle | None:
        """The request whose answer is not complete."""
        if self.cycle and not self.cycle.response_complete:
            return self.cycle
        return None


class Server(uvicorn.Server):
    """uvicorn's, with signals left to us: it raises them again when it is done, and the exit code with them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Whoever has been connected when we were told to stop gets an answer.

        Closing a listener resets what waits in its queue, and closing an idle connection loses the request that is on its way:
        so the queue is taken to its end, answers say `connection: close`, and idle connections are left alone for a moment.
        """
        queues = [listener.dup() for listener in sockets or []]
        for server in self.servers:
            server.close()
        for queue in queues:
            await self._take_the_last(queue)
        connections = self.server_state.connections
        for connection in connections:
            if isinstance(connection, Protocol):
                connection.is_the_last = True
        give_up_at = asyncio.get_running_loop().time() + GRACE_S
        while connections and not self.force_exit and asyncio.get_running_loop().time() < give_up_at:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    async def _take_the_last(self, queue: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with queue:
            queue.setblocking(False)
            taken: list[socket.socket] = []
            with contextlib.suppress(OSError):  # at the latest when nobody waits any more
                while True:
                    taken.append(queue.accept()[0])
        for connection in taken:
            connection.setblocking(False)
            await loop.connect_accepted_socket(lambda: Protocol(self.config, self.server_state, self.lifespan.state), connection)


def server_for(app: App) -> Server:
    """Uvicorn as we run it."""
    return Server(
        uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            date_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=max(1, round(app.config.server.drain_timeout_seconds)),
        )
    )


def bind(host: str, port: int) -> socket.socket:
    """Raises OctorouteError saying what is in the way."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise OctorouteError(f"cannot listen on {host}:{port}: {reason}; set server.host and server.port") from error
    listener.setblocking(False)
    return listener


def address(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
