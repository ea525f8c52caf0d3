"""The listening side of HTTP: uvicorn's server with our own connections, and a stop that loses none."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import socket
import struct
import sys
from collections.abc import Generator

import uvicorn

from octoroute.errors import OctorouteError
from octoroute.server.app import App
from octoroute.server.http1.connection import ServerConnection

BACKLOG = 4096
TICKS_A_SECOND = 10
"""uvicorn's own."""
HANDSHAKE_S = 0.02
"""For a client whose connection is half made when we stop."""
GRACE_S = 0.5
"""How long an idle connection is kept when we stop, for the request that is on its way."""


class UvicornServer(uvicorn.Server):
    """uvicorn's, with signals left to us: it raises them again when it is done, and the exit code with them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_A_SECOND == 0:
            self.second_passed()
        return await super().on_tick(counter)

    def second_passed(self) -> None:
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, ServerConnection):
                connection.second_passed()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Whoever has been connected when we were told to stop gets an answer.

        Closing a listener resets what waits in its queue, and closing an idle connection loses the request that is on its way:
        so nobody may begin to connect any more, the queue is taken to its end, answers say `connection: close`, and idle
        connections are left alone for a moment.
        """
        queues = [listener.dup() for listener in sockets or []]
        for queue in queues:
            _drop_new_connections(queue)
        for server in self.servers:
            server.close()
        await asyncio.sleep(HANDSHAKE_S)
        for queue in queues:
            await self._accept_backlog(queue)
        connections = self.server_state.connections
        for connection in connections:
            if isinstance(connection, ServerConnection):
                connection.is_the_last = True
        give_up_at = asyncio.get_running_loop().time() + GRACE_S
        while connections and not self.force_exit and asyncio.get_running_loop().time() < give_up_at:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    async def _accept_backlog(self, queue: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with queue:
            queue.setblocking(False)
            taken: list[socket.socket] = []
            with contextlib.suppress(OSError):  # at the latest when nobody waits any more
                while True:
                    taken.append(queue.accept()[0])
        for connection in taken:
            connection.setblocking(False)
            await loop.connect_accepted_socket(
                lambda: ServerConnection(self.config, self.server_state, self.lifespan.state), connection
            )


_SO_ATTACH_FILTER = 26
_NO_SYN = b"".join(
    struct.pack("HBBI", *step)
    for step in (
        (0x30, 0, 0, 13),  # load the byte of the segment's flags
        (0x45, 0, 1, 0x02),  # is SYN among them?
        (0x06, 0, 0, 0),  # then drop it
        (0x06, 0, 0, 0xFFFFFFFF),  # otherwise keep it
    )
)
"""A classic BPF program; linux/filter.h."""


def _drop_new_connections(listener: socket.socket) -> None:
    """From here on the queue has an end: whoever came between the last look at it and the close would be reset. Their first segment
    is lost instead; when it is sent again, nobody listens. Only Linux can.
    """
    if sys.platform == "linux":
        program = ctypes.create_string_buffer(_NO_SYN, len(_NO_SYN))
        address = struct.pack("HL", len(_NO_SYN) // 8, ctypes.addressof(program))
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, address)


def server_for(app: App) -> UvicornServer:
    """Uvicorn as we run it."""
    return UvicornServer(
        uvicorn.Config(
            app,
            http=ServerConnection,
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            date_header=False,
            backlog=BACKLOG,
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
