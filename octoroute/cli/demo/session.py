"""One run of the demo: simulated servers on their own sockets, the gateway as `serve` runs it, the tour, and what to do next."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from octoroute.cli.demo.models import ModelServer
from octoroute.cli.demo.screen import Screen
from octoroute.cli.demo.script import PROFILES
from octoroute.cli.demo.tour import GuidedTour
from octoroute.config import Config, environment, loads
from octoroute.config.schema import ServerTable
from octoroute.domain.version import __version__
from octoroute.errors import OctorouteError
from octoroute.runtime.tasks import TaskOwner
from octoroute.server.http1.listener import ListenerState
from octoroute.server.process import run
from octoroute.server.uvicorn_server import UvicornServer, address, bind
from octoroute.telemetry import logging

HOST = "127.0.0.1"
DEFAULT_PORT = ServerTable().port


async def run_demo(*, port: int | None, once: bool, screen: Screen, env: Mapping[str, str]) -> None:
    """Run until SIGINT or SIGTERM, or with `once` until the end of the tour. Raises OctorouteError."""
    servers = [ModelServer(profile) for profile in PROFILES]
    logging.configure(level="error", style="console", env=env)  # log lines would interrupt the tour
    gateway_port = free_port(port)
    async with simulated(servers) as addresses:
        config = configuration(addresses, gateway_port)
        session = DemoSession(screen, servers, addresses, once=once, env=env)
        await run(config, load=lambda: config, ready=session.start, stopping=session.cancel)
        await session.wait()


class DemoSession:
    """Starts the tour when the gateway is ready and cancels it when the gateway stops."""

    def __init__(
        self, screen: Screen, servers: Sequence[ModelServer], addresses: Sequence[str], *, once: bool, env: Mapping[str, str]
    ) -> None:
        self._screen = screen
        self._servers = servers
        self._addresses = addresses
        self._once = once
        self._env = env
        self._owner = TaskOwner()
        self._tour: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self, url: str) -> None:
        if not self._stopping:
            self._tour = self._owner.start("tour", self._run_tour(url))

    def cancel(self) -> None:
        self._stopping = True
        if self._tour is not None:
            self._tour.cancel()  # does nothing if the tour is over

    async def wait(self) -> None:
        """Wait for the end of the tour. Raises the error that ended it early."""
        if self._tour is None:
            return
        await asyncio.wait([self._tour])
        if self._tour.cancelled():
            self._screen.line()
        else:
            self._tour.result()

    async def _run_tour(self, url: str) -> None:
        try:
            self._screen.line("\n".join(opening(self._screen, self._servers, self._addresses, url)))
            await GuidedTour(self._screen, self._servers).guide(url)
            self._screen.line("\n".join(closing(self._screen, url, once=self._once)))
        except Exception:
            signal.raise_signal(signal.SIGTERM)  # as an operator would stop it, so that the shutdown is orderly
            raise
        if self._once:
            signal.raise_signal(signal.SIGTERM)
        else:
            logging.configure(level="info", style="console", env=self._env)


def free_port(wanted: int | None, default: int = DEFAULT_PORT) -> int:
    """Return `wanted`; if it is None, `default` if that is free, otherwise 0.

    Raises OctorouteError if `wanted` is in use.
    """
    port = default if wanted is None else wanted
    try:
        bind(HOST, port).close()
    except OctorouteError as error:
        if wanted is None:
            return 0
        raise OctorouteError(f"port {wanted} is in use or not allowed; choose another with --port, or omit the option") from error
    return port


@asynccontextmanager
async def simulated(servers: Sequence[ModelServer]) -> AsyncGenerator[list[str], None]:
    """Run the servers; yield the base URL of each."""
    listeners = [bind(HOST, 0) for _ in servers]
    limits = ListenerState(ServerTable(drain_timeout_seconds=1))
    processes = [
        UvicornServer(uvicorn.Config(server, lifespan="off", ws="none", access_log=False, log_config=None), limits)
        for server in servers
    ]
    tasks = [
        asyncio.ensure_future(process.serve(sockets=[listener])) for process, listener in zip(processes, listeners, strict=True)
    ]
    try:
        yield [f"{address(listener)}/v1" for listener in listeners]
    finally:
        for process in processes:
            process.should_exit = True
        await asyncio.gather(*tasks)
        for listener in listeners:
            listener.close()


def configuration(addresses: Sequence[str], port: int) -> Config:
    """Return the configuration of the demo. The server of the large model also serves the medium one as a fallback."""
    small, medium, large = addresses
    return loads(
        f"""
        server.port = {port}
        routing.strategy = "hybrid" # its reasons read best on a tour
        routing.router_tier = "fast"
        [[models.fast]]
        name = "sim-small"
        id = "fast-a"
        base_url = "{small}"
        [[models.balanced]]
        name = "sim-medium"
        id = "balanced-a"
        base_url = "{medium}"
        priority = 2
        [[models.balanced]]
        name = "sim-medium"
        id = "balanced-b"
        base_url = "{large}"
        [[models.deep]]
        name = "sim-large"
        id = "deep-a"
        base_url = "{large}"
        """,
        Path("demo.toml"),
        {},
    )


def opening(screen: Screen, servers: Sequence[ModelServer], addresses: Sequence[str], url: str) -> list[str]:
    lines = [
        "",
        f"     .---.      {screen.paint(f'octoroute {__version__}', 'bold')}",
        "    ( o o )     one address in front of all your models",
        "   _/|/|\\|\\_    ",
        "",
        f"  {screen.paint('gateway', 'bold')}             {screen.paint(url, 'link')}",
    ]
    for server, base_url in zip(servers, addresses, strict=True):
        tier = server.profile.tier
        model = server.profile.models[0]
        lines.append(f"   └─▶ {screen.paint('●', tier)} {tier:<8}   {model:<11} {screen.paint(base_url, 'dim')}")
    lines.append(screen.paint("  The three model servers are simulated; the gateway and the HTTP between them are real.", "dim"))
    return lines


def closing(screen: Screen, url: str, *, once: bool) -> list[str]:
    me = environment.command()
    if once:
        return [
            "",
            f"  `{me} demo` without --once keeps running; `{me} init` connects {screen.paint('your', 'bold')} models.",
            "",
        ]
    return [
        "",
        f"  {screen.paint('Your turn.', 'bold')} {screen.paint(url, 'link')} keeps serving until Ctrl+C. In another terminal:",
        "",
        f"  curl -N {url}/v1/chat/completions -H 'content-type: application/json' \\",
        """    -d '{"model": "auto", "stream": true, "messages": [{"role": "user", "content": "Tell me a story"}]}'""",
        "",
        screen.paint("  # Python: pip install openai", "dim"),
        "  from openai import OpenAI",
        f'  client = OpenAI(base_url="{url}/v1", api_key="not-needed")',
        '  answer = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "Hi!"}])',
        "  print(answer.choices[0].message.content)",
        "",
        f"  {screen.paint(f'{url}/models', 'link')} shows the endpoints, {screen.paint(f'{url}/metrics', 'link')} the numbers.",
        f"  With your own models: {screen.paint(f'{me} init', 'bold')}. Every request shows up below.",
        "",
    ]
