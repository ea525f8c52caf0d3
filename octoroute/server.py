"""The process: a socket, uvicorn on uvloop, signals. Imports no room of the house but the app."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Generator

import structlog
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from octoroute.api.edge import MAX_HEADER_BYTES
from octoroute.app import App
from octoroute.config.schema import Config
from octoroute.dialects.errors import openai_envelope
from octoroute.errors import BadRequest, ClientError, ConfigError, HeadersTooLarge, OctorouteError
from octoroute.metrics import worker_died
from octoroute.tasks import Owner
from octoroute.workers import Workers

log = structlog.stdlib.get_logger("octoroute.server")

BACKLOG = 4096
_MAX_HEAD_BYTES = 2 * MAX_HEADER_BYTES


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol with a limit on what may come before a request's body: it has none of its own."""

    _in_head = False
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
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

    def send_400_response(self, msg: str) -> None:
        del msg
        self._refuse(BadRequest("the request is not valid HTTP/1.1"))

    def _refuse(self, error: ClientError) -> None:
        """For what no application ever sees. An answer that is under way is not written into."""
        answering = getattr(self, "cycle", None) is not None and not self.cycle.response_complete
        if not self.transport.is_closing() and not answering:
            body = openai_envelope(error)
            status = STATUS_LINE[error.status]
            self.transport.write(
                b"%bcontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)
            )
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's, with signals left to us: it raises them again when it is done, and the exit code with them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


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


def serve(config: Config, *, load: Callable[[], Config]) -> int:
    """Until SIGTERM or SIGINT; the exit code. `load` reads the configuration again for SIGHUP."""
    listener = bind(config.server.host, config.server.port)
    if config.server.workers == 1:
        uvloop.run(run(config, load=load, listener=listener))
        return 0

    def work(shared: socket.socket, tell_ready: Callable[[], None]) -> None:
        uvloop.run(run(config, load=load, listener=shared, ready=lambda _: tell_ready(), announce=False))

    workers = Workers(listener, work, died=worker_died)
    code = workers.run(config.server.workers, ready=lambda: _announce(config, address(listener)))
    log.info("stopped")
    return code


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


async def run(
    config: Config,
    *,
    load: Callable[[], Config],
    listener: socket.socket | None = None,
    ready: Callable[[str], object] | None = None,
    stopping: Callable[[], object] | None = None,
    announce: bool = True,
) -> None:
    """`ready` is told the URL once it answers, `stopping` when the first signal to stop arrives, while answers in flight are
    still being finished.
    """
    listener = listener or bind(config.server.host, config.server.port)
    app = App(config)
    server = server_for(app)
    owner = Owner()
    _install_signals(server, app, owner, load, stopping or (lambda: None))
    url = address(listener)

    async def started() -> None:
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event to wait for
            await asyncio.sleep(0.005)
        gc.collect()
        gc.freeze()  # what start-up made stays; the collector need not look at it again
        if announce:
            _announce(config, url)
        if ready is not None:
            ready(url)

    owner.start("started", started())
    try:
        await server.serve(sockets=[listener])
    finally:
        await owner.stop()
        listener.close()
    if announce:
        log.info("stopped")


def _announce(config: Config, url: str) -> None:
    for warning in config.warnings:
        log.warning(warning)
    log.info("ready", url=url, config=config.source, endpoints=len(config.endpoints), strategy=config.routing.strategy)


def _install_signals(server: Server, app: App, owner: Owner, load: Callable[[], Config], stopping: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()

    def stop(signum: int) -> None:
        if server.should_exit:
            server.force_exit = True  # asked twice: at once
            return
        log.info("stopping", signal=signal.Signals(signum).name, in_flight=len(server.server_state.tasks))
        server.should_exit = True
        stopping()

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop, signum)
    loop.add_signal_handler(signal.SIGHUP, lambda: owner.start("reload", reload(app, load)))


async def reload(app: App, load: Callable[[], Config]) -> None:
    """A configuration that is not valid changes nothing."""
    try:
        config = await asyncio.to_thread(load)
    except ConfigError as error:
        log.error(  # noqa: TRY400 - what is wrong stands in the problems; where it was noticed is of no interest
            "the new configuration is not used, the old one stays", problems=list(error.problems)
        )
        return
    old = app.config.server
    app.reload(config)
    for key in ("host", "port", "workers"):
        if getattr(old, key) != getattr(config.server, key):
            log.warning("this key changes with the next start only", key=f"server.{key}")
    for warning in config.warnings:
        log.warning(warning)
    log.info("configuration reloaded", config=config.source, endpoints=len(config.endpoints))
