"""The command that serves: a log first, then a socket, then an address that is announced only when requests are answered there."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable

import structlog
import uvloop

from octoroute.config.file import ConfigFile
from octoroute.config.schema import Config
from octoroute.errors import ConfigError
from octoroute.runtime.tasks import TaskOwner
from octoroute.server.app import App
from octoroute.server.uvicorn_server import UvicornServer, address, bind, server_for
from octoroute.server.workers import SIGNALS, Workers
from octoroute.telemetry.exposition import worker_died

log = structlog.stdlib.get_logger("octoroute.server")

GARBAGE = 10_000
"""How many objects are made between two looks for cycles, of which a request leaves none: Python's 700 are a few requests' work."""


def serve(config: Config, *, load: Callable[[], Config], file: ConfigFile | None = None) -> int:
    """Until SIGTERM or SIGINT; the exit code. `load` reads the configuration again for SIGHUP; `file` may be rewritten."""
    listener = bind(config.server.host, config.server.port)
    if config.server.workers == 1:
        uvloop.run(run(config, load=load, file=file, listener=listener))
        return 0

    latest = config

    def reload() -> None:
        nonlocal latest
        with contextlib.suppress(ConfigError):  # the workers say what is wrong
            latest = load()

    def work(shared: socket.socket, tell_ready: Callable[[], None]) -> None:
        def ready(url: str) -> None:
            del url
            tell_ready()

        uvloop.run(run(latest, load=load, file=file, listener=shared, ready=ready, announce=False, spread=_tell_parent))

    workers = Workers(listener, work, reload=reload, died=worker_died)
    code = workers.run(config.server.workers, ready=lambda: _announce(config, address(listener)))
    log.info("stopped")
    return code


async def run(
    config: Config,
    *,
    load: Callable[[], Config],
    file: ConfigFile | None = None,
    listener: socket.socket | None = None,
    ready: Callable[[str], object] | None = None,
    stopping: Callable[[], object] | None = None,
    announce: bool = True,
    spread: Callable[[], None] | None = None,
) -> None:
    """`ready` is told the URL once it answers, `stopping` when the first signal to stop arrives, while answers in flight are
    still being finished, `spread` when an operator has changed the configuration and there are other workers.
    """
    listener = listener or bind(config.server.host, config.server.port)
    app = App(config, load=load, file=file, spread=spread)
    server = server_for(app)
    owner = TaskOwner()
    _install_signals(server, app, owner, load, stopping or (lambda: None))
    url = address(listener)

    async def started() -> None:
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event to wait for
            await asyncio.sleep(0.005)
        gc.collect()
        gc.freeze()  # what start-up made stays; the collector need not look at it again
        gc.set_threshold(GARBAGE)
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
    log.info(
        "ready",
        url=url,
        config=config.source,
        providers=list(dict.fromkeys(endpoint.provider for endpoint in config.endpoints)),
        endpoints=len(config.endpoints),
        strategy=config.routing.strategy,
    )


def _tell_parent() -> None:
    os.kill(os.getppid(), signal.SIGHUP)


def _install_signals(
    server: UvicornServer, app: App, owner: TaskOwner, load: Callable[[], Config], stopping: Callable[[], object]
) -> None:
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
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


async def reload(app: App, load: Callable[[], Config]) -> None:
    """A configuration that is not valid changes nothing."""
    try:
        await app.reloader.reload(load)
    except ConfigError as error:
        log.error(  # noqa: TRY400 - what is wrong stands in the problems; where it was noticed is of no interest
            "the new configuration is not used, the old one stays", problems=list(error.problems)
        )
