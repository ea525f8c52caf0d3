"""Ways to an endpoint, by name; the first is the default."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from octoroute.upstream.transports.base import Transport
from octoroute.upstream.transports.native import NativeTransport


def _aiohttp() -> Transport:
    # Half the package's start-up time and memory, for those who asked for it.
    from octoroute.upstream.transports.aiohttp import AiohttpTransport  # noqa: PLC0415

    return AiohttpTransport()


TRANSPORTS: Mapping[str, Callable[[], Transport]] = {"native": NativeTransport, "aiohttp": _aiohttp}
