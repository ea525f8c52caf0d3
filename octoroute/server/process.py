"""The serving process: binds, runs the server, and handles signals. The address is announced once requests are answered."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import structlog
import uvloop

from octoroute.config.file import ConfigFile
from octoroute.config.schema import Config
from octoroute.errors import ConfigError
from octoroute.runtime.limits import file_of_workers
from octoroute.runtime.stored_keys import key_file
from octoroute.runtime.tasks import TaskOwner
from octoroute.server.app import App
from octoroute.server.signals import STUCK_S, SignalHandlers
from octoroute.server.uvicorn_server import UvicornServer, address, bind, server_for
from octoroute.server.watchdog import Watchdog
from octoroute.server.workers import Workers
from octoroute.telemetry.exposition import worker_died

log = structlog.stdlib.get_logger("octoroute.server")

GC_THRESHOLD = 10_000
"""Allocations between two garbage collections. A request leaves no cycles, and Python's default of 700 is reached every few."""


def serve(
    config: Config,
    *,
    load: Callable[[], Config],
    file: ConfigFile | None = None,
    state_directory: Path | None = None,
    worker_ended: Callable[[], None] | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code.

    `load` reads the configuration again after SIGHUP. `file`: the configuration file that the admin routes may rewrite; None: they
    may not. `state_directory`: as for `Runtime`. `worker_ended` is called in each worker process at its end.
    """
    listener = bind(config.server.host, config.server.port)
    if config.server.workers == 1:
        uvloop.run(run(config, load=load, file=file, listener=listener, state_directory=state_directory))
        return 0

    latest = config

    def reload() -> None:
        nonlocal latest
        with contextlib.suppress(ConfigError):  # the workers log the problems
            latest = load()

    def work(shared: socket.socket, report_ready: Callable[[], None], beat: Callable[[], None]) -> None:
        worker = run(
            latest,
            load=load,
            file=file,
            listener=shared,
            ready=lambda _: report_ready(),
            announce=False,
            state_directory=state_directory,
            limits_file=limits_file,
            notify_workers=_signal_parent,
            beat=beat,
        )
        try:
            uvloop.run(worker)
        finally:
            if worker_ended is not None:
                worker_ended()

    workers = Workers(listener, work, reload=reload, died=worker_died, stop_limit_s=_stop_limit_s(config))
    with file_of_workers(config, state_directory) as limits_file:
        code = workers.run(
            config.server.workers, ready=lambda: _announce(config, address(listener, tls=bool(config.server.tls.cert_file)))
        )
    log.info("stopped")
    return code


async def run(
    config: Config,
    *,
    load: Callable[[], Config],
    file: ConfigFile | None = None,
    listener: socket.socket | None = None,
    ready: Callable[[str], object] = lambda _: None,
    stopping: Callable[[], object] = lambda: None,
    announce: bool = True,
    state_directory: Path | None = None,
    limits_file: Path | None = None,
    notify_workers: Callable[[], None] | None = None,
    beat: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    `ready` is called with the URL once requests are answered; `stopping` at the first signal to stop, while requests in flight
    are finished; `notify_workers` after an admin route has changed the configuration; `beat` each second, in a worker process.
    `state_directory` and `limits_file`: as for `Runtime`.
    """
    listener = listener or bind(config.server.host, config.server.port)
    app = App(
        config,
        load=load,
        file=file,
        notify_workers=notify_workers,
        key_file=key_file(),
        state_directory=state_directory,
        limits_file=limits_file,
    )
    watchdog = Watchdog(beat)
    server = server_for(app, watchdog.beat)
    owner = TaskOwner()
    url = address(listener, tls=app.listener.tls is not None)

    async def started() -> None:
        await _until_started(server)
        if announce:
            _announce(config, url)
        ready(url)

    def stop(signum: signal.Signals) -> None:
        log.info("stopping", signal=signum.name, in_flight=len(server.server_state.tasks))
        server.begin_stop()
        stopping()

    def apply_file() -> None:
        owner.start("reload", reload(app, load))

    handlers = SignalHandlers(stop=stop, force=server.force_stop, reload=apply_file, limit_s=_stop_limit_s(config))
    with handlers.installed(is_worker=beat is not None), watchdog:
        owner.start("started", started())
        try:
            await server.serve(sockets=[listener])
        finally:
            await owner.stop()
            listener.close()
    if announce:
        log.info("stopped")


async def _until_started(server: UvicornServer) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event to wait for
        await asyncio.sleep(0.005)
    gc.collect()
    gc.freeze()  # objects of the start-up live on; the collector need not visit them again
    gc.set_threshold(GC_THRESHOLD)


def _announce(config: Config, url: str) -> None:
    for warning in config.warnings:
        log.warning(warning)
    log.info(
        "ready",
        url=url + config.server.root_path.rstrip("/"),
        config=config.source,
        providers=list(dict.fromkeys(endpoint.provider for endpoint in config.endpoints)),
        endpoints=len(config.endpoints),
        strategy=config.routing.strategy,
    )


def _signal_parent() -> None:
    """Make the parent process reload; it forwards SIGHUP to all workers."""
    os.kill(os.getppid(), signal.SIGHUP)


def _stop_limit_s(config: Config) -> float:
    """How long after the signal to stop a process is considered stuck."""
    return config.server.shutdown_delay_seconds + config.server.drain_timeout_seconds + STUCK_S


async def reload(app: App, load: Callable[[], Config]) -> None:
    """Load the configuration and apply it. An invalid one is logged and changes nothing."""
    try:
        await app.reloader.reload(load)
    except ConfigError as error:
        log.error(  # noqa: TRY400 - the problems say what is wrong; a traceback adds nothing
            "the new configuration is not used, the old one stays", problems=list(error.problems)
        )
