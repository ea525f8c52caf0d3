"""The HTTP clients by name; the first is the default."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from octoroute.upstream.transports.base import Transport
from octoroute.upstream.transports.native import NativeTransport


def _aiohttp() -> Transport:
    # Importing aiohttp takes half of the package's start-up time and memory.
    from octoroute.upstream.transports.aiohttp import AiohttpTransport  # noqa: PLC0415

    return AiohttpTransport()


TRANSPORTS: Mapping[str, Callable[[], Transport]] = {"native": NativeTransport, "aiohttp": _aiohttp}
