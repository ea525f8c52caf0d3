"""The listening side: uvicorn's server with octoroute's connections, and a graceful shutdown that loses no request."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn

from octoroute.errors import OctorouteError
from octoroute.server.app import App
from octoroute.server.http1.connection import ServerConnection

BACKLOG = 4096
TICKS_PER_SECOND = 10
"""How often uvicorn calls `on_tick`."""
HANDSHAKE_S = 0.02
"""Wait at shutdown for TCP handshakes that are under way."""
GRACE_S = 0.5
"""How long an idle connection stays open at shutdown, because a request may be under way."""


class UvicornServer(uvicorn.Server):
    """uvicorn's server without its signal handling, which raises a signal again after shutdown and so changes the exit code."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_PER_SECOND == 0:
            self.second_passed()
        return await super().on_tick(counter)

    def second_passed(self) -> None:
        """Advance the timeouts of all connections by one second."""
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, ServerConnection):
                connection.second_passed()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer every request of every connection that was made before the shutdown.

        Closing a listener resets the connections in its backlog, and closing an idle connection loses a request that is under
        way. Therefore the backlog is accepted first, responses carry `connection: close`, and idle connections stay open for
        `GRACE_S`.
        """
        backlogs = [listener.dup() for listener in sockets or []]
        for server in self.servers:
            server.close()
        await asyncio.sleep(HANDSHAKE_S)
        for backlog in backlogs:
            await self._accept_backlog(backlog)
        connections = self.server_state.connections
        for connection in connections:
            if isinstance(connection, ServerConnection):
                connection.is_the_last = True
        deadline = asyncio.get_running_loop().time() + GRACE_S
        while connections and not self.force_exit and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    async def _accept_backlog(self, backlog: socket.socket) -> None:
        """Accept all waiting connections, then close the listener."""
        loop = asyncio.get_running_loop()
        accepted: list[socket.socket] = []
        with backlog:
            backlog.setblocking(False)
            with contextlib.suppress(OSError):  # BlockingIOError: the backlog is empty
                while True:
                    accepted.append(backlog.accept()[0])
        for connection in accepted:
            connection.setblocking(False)
            await loop.connect_accepted_socket(
                lambda: ServerConnection(self.config, self.server_state, self.lifespan.state), connection
            )


def server_for(app: App) -> UvicornServer:
    """Return a server for the application: octoroute's connections, no access log, no headers of uvicorn's own."""
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
    """Return a listening, non-blocking socket. Raises OctorouteError with the reason."""
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
    """Return the URL of the listener, with the port that the system chose if 0 was configured."""
    host, port, *_ = listener.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
