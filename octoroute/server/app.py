"""The HTTP service: a client of the building, and the composition of everything HTTP. Nothing imports this but the command line.

The hot routes are plain ASGI endpoints looked up by path; everything else is Starlette's.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping

import msgspec

from octoroute.config.file import ConfigFile
from octoroute.config.schema import Config
from octoroute.dialects.chat import ChatInbound
from octoroute.gateway.relay import KEEP_ALIVE_S, Reply
from octoroute.gateway.resolver import ALIASES
from octoroute.routing.strategies import Router
from octoroute.runtime.assembly import Runtime
from octoroute.runtime.reload import Reloader
from octoroute.runtime.traffic_log import redaction_of, settings_of
from octoroute.server.downstream import Receive, Scope, Send
from octoroute.server.guard import ApiKeys
from octoroute.server.routes.inference import InferenceEndpoint
from octoroute.server.routes.status import AuthMiddleware, StatusRoutes
from octoroute.telemetry.traffic_log.middleware import Route
from octoroute.telemetry.traffic_log.recorder import TrafficRecorder
from octoroute.upstream.transports.base import Transport


class App:
    """An ASGI application. `start` and `stop` are called by the server through the lifespan protocol."""

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
        spread: Callable[[], None] | None = None,
    ) -> None:
        """`load` reads the configuration again; `file` is where it came from, if it may be rewritten; `spread` tells the other
        workers of a change.
        """
        self.runtime = building = Runtime(config, transport=transport, clock=clock, wall=wall, chance=chance)
        self.gateway = building.gateway
        self.inbound = building.inbound
        self.metrics = building.metrics
        self.scraper = building.scraper
        self.statistics = building.statistics
        self.admin_state = building.admin_state
        self.token_counter = building.token_counter
        self.wall = wall
        self._started = False
        self._apply_access(config)
        self.reloader = Reloader(self.reload, lambda: self.config, load=load, file=file, spread=spread)
        self.recorder = TrafficRecorder(clock=clock, wall=wall, dropped=self._lines_dropped)
        self._plain = self._routes(keep_alive_s)
        self._hot: Mapping[str, Route] = self._plain
        self._views = AuthMiddleware(StatusRoutes(self).app(), self)

    @property
    def config(self) -> Config:
        return self.runtime.config

    @property
    def dry_router(self) -> Router:
        return self.runtime.dry_router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._hot.get(scope["path"], self._views)(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    def reload(self, config: Config) -> None:
        """From the next request on."""
        self.runtime.reload(config)
        self._apply_access(config)
        if self._started:
            self._record(config)

    def _apply_access(self, config: Config) -> None:
        """Who may come in, and with how much."""
        self.keys = ApiKeys(config.auth.keys, config.auth.admin_keys)
        self.max_request_bytes = config.server.max_request_bytes
        self.aliases = tuple(ALIASES) if config.routing.claude_aliases else ()

    def _record(self, config: Config) -> None:
        self.recorder.use(settings_of(config), redaction_of(config))
        self.runtime.sink.watcher = self.recorder.watcher
        self._hot = self.recorder.around(self._plain)

    async def start(self) -> None:
        self._started = True
        self._record(self.config)
        await self.runtime.start()

    async def stop(self) -> None:
        await self.runtime.stop()
        await self.recorder.stop()

    def _routes(self, keep_alive_s: float) -> Mapping[str, InferenceEndpoint]:
        routes: dict[str, InferenceEndpoint] = {}
        for inbound in self.runtime.interfaces.values():
            present = _chat if inbound.name == ChatInbound.name else None
            for path in inbound.paths:
                routes[path] = InferenceEndpoint(self.gateway, inbound, admission=self, present=present, keep_alive_s=keep_alive_s)
        return routes

    def _lines_dropped(self, count: int) -> None:
        self.metrics.count("octoroute_traffic_log_dropped_total", by=count)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def create_app(config: Config) -> App:
    return App(config)


def _chat(reply: Reply) -> bytes:
    """What `POST /chat` answers: v1's object."""
    assert reply.decision is not None
    return msgspec.json.encode(
        {
            "content": (reply.body or b"").decode(),
            "model_tier": reply.endpoint.tier,
            "model_name": reply.endpoint.name,
            "routing_strategy": reply.decision.by,
            **({"warnings": list(reply.warnings)} if reply.warnings else {}),
        }
    )
