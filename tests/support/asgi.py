"""The application without a server and without a network: requests are ASGI calls, and endpoints do not exist."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2

from octoroute.server.app import App
from tests.support.live_gateway import configured, settings

NOWHERE = "http://127.0.0.1:1/v1"


def row(name: str = "m", **more: Any) -> dict[str, Any]:
    """An endpoint where nothing listens."""
    return {"name": name, "id": name, "base_url": NOWHERE, **more}


@contextlib.asynccontextmanager
async def serving(
    *tiers: list[Mapping[str, Any]], tables: Mapping[str, Any] | None = None, **parts: Any
) -> AsyncIterator[tuple[App, httpx2.AsyncClient]]:
    """`parts`: what App takes besides its configuration."""
    app = App(configured(settings(*(tiers or ([row()],)), **(tables or {}))), **parts)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield app, client
    await app.stop()
