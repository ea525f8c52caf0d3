"""One client, the gateway, and a vendor's server: what the tests of this folder look at."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.e2e.clients.catalog import Place, environment_of
from tests.e2e.clients.chain import THINKING
from tests.e2e.clients.loss import lost
from tests.e2e.clients.tap import Tap
from tests.support.vendors import Server

KINDS = ("openai", "anthropic", "gemini")
"""Of the servers."""
LIMIT_S = 90.0


class Scene:
    """A vendor's server, the gateway with that server as all three tiers, and a tap between client and gateway."""

    def __init__(self, server: Server, fake, gateway, tap: Tap, url: str) -> None:
        self.server, self.fake, self.gateway, self.tap, self.url = server, fake, gateway, tap, url
        self.model = None


async def run(place: Place, command: list[str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=place.work,
        env=environment_of(place),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
    except TimeoutError:
        os.killpg(process.pid, 9)
        said, _ = await process.communicate()
        pytest.fail(f"no end after {LIMIT_S} s: {said.decode(errors='replace')[-2000:]}")
    return process.returncode or 0, said.decode(errors="replace")


def assert_nothing_lost(there: Scene) -> None:
    """Every word of the longest request is in a request upstream; thinking may be missing where a warning says so."""
    sent = [request.json for request in there.tap.sent() if request.method == "POST" and isinstance(request.json, dict)]
    arrived = [seen.json for seen in there.fake.requests]
    assert arrived
    longest = max(sent, key=lambda body: len(str(body)))
    missing = min((lost(longest, body) for body in arrived), key=len)
    warnings = sorted(set(there.tap.headers("x-octoroute-warning")))
    if any("thinking" in warning for warning in warnings):
        missing = [word for word in missing if word not in THINKING]
    assert not missing, (missing[:50], warnings)
