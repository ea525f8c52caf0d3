"""The listening side: uvicorn's server with octoroute's connections, and a graceful shutdown that loses no request."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, cast

import structlog
import uvicorn

from octoroute.errors import OctorouteError
from octoroute.server.app import App
from octoroute.server.http1.connection import ServerConnection
from octoroute.server.http1.listener import ListenerState
from octoroute.server.http1.web_socket import WebSocketConnection
from octoroute.upstream.transports.peer_liveness import watch_peer

BACKLOG = 4096
TICKS_PER_SECOND = 10
"""How often uvicorn calls `on_tick`, and the shutdown looks at the connections."""
HANDSHAKE_S = 0.25
"""Wait at shutdown for TCP handshakes that are under way."""
GRACE_S = 5
"""An idle connection stays open at shutdown until it has been idle for so long: its client may be about to use it."""
LIFESPAN_S = 2.0
"""How long the application may take to stop after a second signal."""

log = structlog.stdlib.get_logger("octoroute.server")


class UvicornServer(uvicorn.Server):
    """uvicorn's server without its signal handling, which raises a signal again after shutdown and so changes the exit code."""

    def __init__(self, config: uvicorn.Config, listener: ListenerState, beat: Callable[[], None] = lambda: None) -> None:
        """`listener`: what the connections share. `beat` is called each second while the event loop turns."""
        super().__init__(config)
        self.listener = listener
        self._beat = beat

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application and accept connections.

        The kernel, too, ends a connection whose client takes nothing for the write timeout of the start: what waits in its own
        buffer is not seen from here.
        """
        for listener in sockets or []:
            watch_peer(listener, unacknowledged_s=round(self.listener.settings.client_write_timeout_seconds))
        self.config.ssl = self._context
        await super().startup(sockets)

    @property
    def _context(self) -> ssl.SSLContext | None:
        return self.listener.tls.context if self.listener.tls else None

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_PER_SECOND == 0:
            self.second_passed()
        return await super().on_tick(counter)

    def second_passed(self) -> None:
        """Advance the timeouts of all connections by one second."""
        self._beat()
        for connection in self._connections():
            connection.second_passed()

    def _connections(self) -> Iterator[ServerConnection | WebSocketConnection]:
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, ServerConnection | WebSocketConnection):
                yield connection

    def begin_stop(self) -> None:
        """Say that the process stops: in `/health/ready`, and in each response from now on. Call it at the signal.

        Everything is served, new connections too, for `server.shutdown_delay_seconds`; `shutdown` follows.
        """
        self.listener.stopping = True
        asyncio.get_running_loop().call_later(self.listener.settings.shutdown_delay_seconds, self._exit_main_loop)

    def force_stop(self) -> None:
        """End at once: what is in flight is cancelled."""
        self.should_exit = self.force_exit = True

    def _exit_main_loop(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer every request of every connection that was made before the shutdown.

        Closing a listener resets the connections in its backlog, and closing an idle connection loses a request that is under
        way. Therefore the backlog is accepted first, responses carry `connection: close`, and an idle connection stays open until
        it has been idle for `GRACE_S`. After `server.drain_timeout_seconds` what is left is cancelled.
        """
        loop = asyncio.get_running_loop()
        self.listener.stopping = True
        deadline = loop.time() + self.listener.settings.drain_timeout_seconds
        backlogs = [listener.dup() for listener in sockets or []]
        for server in self.servers:
            server.close()
        until = min(loop.time() + HANDSHAKE_S, deadline)
        while loop.time() < until and not self.force_exit:
            await self._serve_accepted(_accepted(backlogs))
            await asyncio.sleep(HANDSHAKE_S / TICKS_PER_SECOND)
        for backlog in backlogs:
            with contextlib.suppress(OSError):
                backlog.listen(0)  # new handshakes have to wait, and then find the port closed
        last = _accepted(backlogs)
        for listener in (*(sockets or []), *backlogs):  # at once, because what is in the backlog then is reset
            listener.close()
        await self._serve_accepted(last)
        for connection in tuple(self.server_state.connections):
            connection.shutdown()
        await self._drain(deadline)
        await self._cancel_rest()
        async with asyncio.timeout(LIFESPAN_S if self.force_exit else None):
            await self.lifespan.shutdown()

    async def _drain(self, deadline: float) -> None:
        """Wait until every request is answered and every connection closed; no longer than until `deadline`, in loop time."""
        loop = asyncio.get_running_loop()
        turn = 0
        while (self.server_state.connections or self.server_state.tasks) and not self.force_exit and loop.time() < deadline:
            for connection in self._connections():
                connection.close_if_idle(GRACE_S)
            turn += 1
            if turn % TICKS_PER_SECOND == 0:
                self.second_passed()
            await asyncio.sleep(1 / TICKS_PER_SECOND)

    async def _cancel_rest(self) -> None:
        tasks = list(self.server_state.tasks)
        if tasks and not self.force_exit:
            log.warning("requests are cancelled: the drain timeout has passed", requests=len(tasks))
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()

    async def _serve_accepted(self, accepted: list[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        for connection in accepted:
            connection.setblocking(False)
            await loop.connect_accepted_socket(
                lambda: ServerConnection(self.config, self.server_state, self.lifespan.state, listener=self.listener),
                connection,
                ssl=self._context,
            )


def _accepted(backlogs: list[socket.socket]) -> list[socket.socket]:
    """Accept all connections that wait in the backlogs."""
    accepted: list[socket.socket] = []
    for backlog in backlogs:
        backlog.setblocking(False)
        with contextlib.suppress(OSError):  # BlockingIOError: the backlog is empty
            while True:
                accepted.append(backlog.accept()[0])
    return accepted


def server_for(app: App, beat: Callable[[], None] = lambda: None) -> UvicornServer:
    """Return a server for the application: octoroute's connections, no access log, no headers of uvicorn's own.

    `beat` is called each second while the event loop turns.
    """
    return UvicornServer(
        uvicorn.Config(
            app,
            http=cast("Any", partial(ServerConnection, listener=app.listener)),
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            date_header=False,
            backlog=BACKLOG,
        ),
        app.listener,
        beat,
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


def address(listener: socket.socket, *, tls: bool = False) -> str:
    """Return the URL of the listener, with the port that the system chose if 0 was configured. `tls`: it speaks HTTPS."""
    host, port, *_ = listener.getsockname()
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
