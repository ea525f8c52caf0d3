"""`octoroute check --live`: every endpoint is asked one tiny question, all at once, and says whether it can answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from octoroute import dialects
from octoroute.config import Config
from octoroute.domain.conversation import Conversation, Role, Text, Turn
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.errors import OctorouteError
from octoroute.runtime.assembly import Runtime
from octoroute.upstream.request import UpstreamRequest

QUESTION = Conversation(turns=(Turn(Role.USER, (Text("Say hello."),)),), max_tokens=16)
TO_EMBED = b'{"model": "auto", "input": "hello"}'
AT_ONCE = 8


class LiveCheck(NamedTuple):
    endpoint: Endpoint
    took_s: float
    problem: str | None
    """What the operator should know; None: it answered."""


async def ask(config: Config) -> Sequence[LiveCheck]:
    """In the order of the configuration."""
    building = Runtime(config)
    gate = asyncio.Semaphore(AT_ONCE)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_ask(building, endpoint, gate)) for endpoint in building.gateway.settings.endpoints]
        return [task.result() for task in tasks]
    finally:
        await building.stop()


async def _ask(building: Runtime, endpoint: Endpoint, gate: asyncio.Semaphore) -> LiveCheck:
    upstream = building.gateway.upstream
    async with gate:
        since = time.monotonic()
        try:
            opened = await upstream.open(endpoint, _question(building, endpoint))
            opened.close()
        except OctorouteError as error:
            return LiveCheck(endpoint, time.monotonic() - since, error.message)
        return LiveCheck(endpoint, time.monotonic() - since, None)


def _question(building: Runtime, endpoint: Endpoint) -> UpstreamRequest:
    if endpoint.tier is Tier.EMBEDDING:
        asked = dialects.interfaces(building.wall)["embeddings"].read(TO_EMBED, request_id="check", headers={})
        return building.gateway.upstream_request(asked, endpoint)
    body = building.gateway.upstream.outbound(endpoint).encode_request(QUESTION, endpoint, stream=False)
    return UpstreamRequest(body=body, stream=False, conversation=QUESTION)


def report(answers: Sequence[LiveCheck]) -> list[str]:
    lines: list[str] = []
    for answer in answers:
        name = f"{answer.endpoint.tier}  {answer.endpoint.id}"
        if answer.problem is None:
            lines.append(f"  answers    {name}  in {answer.took_s * 1000:.0f} ms")
        else:
            lines.append(f"  FAILS      {name}  {answer.problem} ({answer.endpoint.base_url})")
    return lines
