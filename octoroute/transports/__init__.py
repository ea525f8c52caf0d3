"""Ways to an endpoint by name; the first is the default."""

from collections.abc import Callable, Mapping

from octoroute.transports.aiohttp import AiohttpTransport
from octoroute.transports.base import Transport

TRANSPORTS: Mapping[str, Callable[[], Transport]] = {"aiohttp": AiohttpTransport}
