"""The ASGI application: the runtime behind HTTP. Only the command line and the server process import it.

The inference routes are plain ASGI callables looked up by path, because they are the hot path; Starlette serves the rest.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from octoroute.config.file import ConfigFile
from octoroute.config.schema import Config
from octoroute.gateway.gateway import Gateway
from octoroute.gateway.relay import KEEP_ALIVE_S
from octoroute.runtime.assembly import Runtime
from octoroute.runtime.reload import Reloader
from octoroute.runtime.traffic_log import redaction_of, settings_of
from octoroute.server.decompression import beginning
from octoroute.server.downstream import Receive, Scope, Send
from octoroute.server.guard import AccessRules
from octoroute.server.http1.listener import ListenerState
from octoroute.server.jobs import ClientData, Jobs
from octoroute.server.origins import Cors
from octoroute.server.paths import below
from octoroute.server.routes.inference import inference_routes
from octoroute.server.routes.responses_socket import ResponsesSocket
from octoroute.server.starlette_app import starlette_app
from octoroute.server.stored_responses import StoredResponses
from octoroute.server.tls import listener_tls
from octoroute.telemetry.traffic_log.middleware import Route
from octoroute.telemetry.traffic_log.recorder import TrafficRecorder
from octoroute.upstream.transports.base import Transport


class App:
    """An ASGI application. The server calls `start` and `stop` through the lifespan protocol."""

    def __init__(
        self,
        config: Config,
        *,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        keep_alive_s: float = KEEP_ALIVE_S,
        load: Callable[[], Config] | None = None,
        file: ConfigFile | None = None,
        notify_workers: Callable[[], None] | None = None,
        key_file: Path | None = None,
        state_directory: Path | None = None,
        limits_file: Path | None = None,
    ) -> None:
        """`load` reads the configuration again. `file`: the file it came from, which the admin routes may rewrite; None: they
        may not. `notify_workers` makes the other worker processes reload, too. `key_file`: the key
        store; None: there is none. `state_directory`, `limits_file`: as for `Runtime`.
        """
        self.runtime = Runtime(
            config,
            transport=transport,
            clock=clock,
            wall=wall,
            chance=chance,
            state_directory=state_directory,
            limits_file=limits_file,
        )
        self.recorder = TrafficRecorder(clock=clock, wall=wall, dropped=self._count_dropped_lines)
        self.reloader = Reloader(self.reload, lambda: self.config, load=load, file=file, notify_workers=notify_workers)
        self.listener = ListenerState(config.server, listener_tls(config.server.tls))
        self._rules = AccessRules(config, self.runtime.web, wall, key_file, state_directory)
        self._started = False
        stored = StoredResponses(config, clock, self.runtime.persistence.responses)
        inference = inference_routes(self.runtime, self._rules, stored, keep_alive_s)
        self._plain = self.runtime.otel.routes(inference)
        self._hot: Mapping[str, Route] = self._plain
        """By path: the inference routes, wrapped by the traffic log and the capture of bodies if these are on."""
        jobs = Jobs(
            self.runtime.persistence.database,
            inference,
            keys=lambda: self._rules.keys,
            config=lambda: self.config,
            is_busy=lambda: self.gateway.queue.depth > 0,
            wall=wall,
        )
        self._kept = ClientData(stored, jobs)
        self._views = starlette_app(self.runtime, self._rules, self.reloader, self._plain, self.listener, self._kept, keep_alive_s)
        self._socket = ResponsesSocket(self.runtime, self._rules, stored, keep_alive_s)
        self._cors: Cors | None = None
        self._apply_cors(config)

    @property
    def config(self) -> Config:
        return self.runtime.config

    @property
    def gateway(self) -> Gateway:
        return self.runtime.gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._cors or self._serve)(scope, receive, send)

    def _serve(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return self._serve_lifespan(receive, send)
        path: str | None = scope["path"]
        if self._rules.root_path:
            path = below(self._rules.root_path, scope["path"])
        if scope["type"] == "websocket":
            return self._socket({**scope, "path": path and self._views.paths.resolve(path)}, receive, send)
        if path is None:
            return self._views.outside(scope, receive, send)
        route = self._hot.get(path)
        if route is None:
            path = self._views.paths.resolve(path) or path
            route = self._hot.get(path) or self._hot.get(self._views.paths.template(path) or "", self._views)
        return route(scope if path == scope["path"] else {**scope, "path": path}, receive, send)

    def reload(self, config: Config) -> None:
        """Apply the configuration to all requests that arrive from now on."""
        self.runtime.reload(config)
        self._rules.apply(config)
        self.listener.settings = config.server
        if self.listener.tls is not None and config.server.tls.cert_file:
            self.listener.tls.renew(config.server.tls)
        self._apply_cors(config)
        self._kept.responses.apply(config)
        if self._started:
            self._apply_traffic_log(config)

    def _apply_cors(self, config: Config) -> None:
        origins = config.server.cors_origins
        self._cors = Cors(origins, self._serve) if origins else None

    def _apply_traffic_log(self, config: Config) -> None:
        self.recorder.use(settings_of(config), redaction_of(config))
        self.runtime.sink.observe("traffic log", self.recorder.observer)
        bodies = self.runtime.persistence.bodies
        self.runtime.persistence.keep_bodies(config, beginning)
        self._hot = bodies.around(self.recorder.around(self._plain))

    async def start(self) -> None:
        self._started = True
        self._apply_traffic_log(self.config)
        if self._rules.stored is not None:
            await self._rules.stored.refresh()
            self.runtime.start_task("keys", self._rules.stored.run)
        await self.runtime.start()
        if self._kept.jobs.runner is not None:
            self.runtime.start_task("batches", self._kept.jobs.runner.run)

    async def stop(self) -> None:
        await self._rules.close()
        await self.runtime.stop()
        self._kept.jobs.close()
        if self._rules.stored is not None:
            self._rules.stored.close()
        await self.recorder.stop()

    def _count_dropped_lines(self, count: int) -> None:
        self.runtime.metrics.count("octoroute_traffic_log_dropped_total", by=count)

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return
