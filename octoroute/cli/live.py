"""`octoroute check --live`: sends one short request to every endpoint and reports which of them check."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from octoroute import dialects
from octoroute.config import Config
from octoroute.dialects.response.error_hints import hint_of
from octoroute.domain.conversation import Conversation, Role, Text, Turn
from octoroute.domain.endpoint import PASSED_TIERS, Endpoint, Tier
from octoroute.errors import (
    BadUpstreamResponse,
    Empty,
    OctorouteError,
    Overloaded,
    TlsRejected,
    TooSlow,
    Unreachable,
    UpstreamAuthError,
    UpstreamError,
    UpstreamRejected,
)
from octoroute.runtime.assembly import Runtime
from octoroute.upstream.request import UpstreamRequest

PROMPT = Conversation(turns=(Turn(Role.USER, (Text("Say hello."),)),), max_tokens=16)
EMBEDDING_REQUEST = b'{"model": "auto", "input": "hello"}'
MAX_CONCURRENT = 8


_REMEDIES: Sequence[tuple[type[OctorouteError], str]] = (
    (TlsRejected, "check tls (ca_file, pin_sha256), and that base_url names the server of the certificate"),
    (Unreachable, "check that the server runs, that base_url has the right host and port, and firewalls between"),
    (TooSlow, "the server may be loading the model: try again, or raise timeout_seconds"),
    (UpstreamAuthError, "check api_key, and that it belongs to this base_url"),
    (UpstreamRejected, "check the endpoint's model, kind, and base_url"),
    (Overloaded, "the server is overloaded or starting: try again"),
    (BadUpstreamResponse, "check that base_url is the root of the API, such as http://127.0.0.1:11434/v1, and the kind"),
    (Empty, "check the model, and the log of the server"),
)
"""By error; the first that matches counts."""


class LiveCheck(NamedTuple):
    """The result for one endpoint."""

    endpoint: Endpoint
    took_s: float
    problem: str | None
    """The error message; None: the endpoint answered."""
    remedy: str = ""
    """What to do about the problem; "" if there is none."""


async def check_endpoints(config: Config) -> Sequence[LiveCheck]:
    """Return the results in the order of the configuration."""
    runtime = Runtime(config)
    gate = asyncio.Semaphore(MAX_CONCURRENT)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_check(runtime, endpoint, gate)) for endpoint in runtime.gateway.settings.endpoints]
        return [task.result() for task in tasks]
    finally:
        await runtime.stop()


async def _check(runtime: Runtime, endpoint: Endpoint, gate: asyncio.Semaphore) -> LiveCheck:
    upstream = runtime.gateway.upstream
    async with gate:
        started_at = time.monotonic()
        try:
            if endpoint.tier in PASSED_TIERS.values():
                await upstream.probe(endpoint, endpoint.first_event_timeout_s)  # a request would be neither small nor free
            else:
                response = await upstream.open(endpoint, _request(runtime, endpoint))
                response.close()
        except OctorouteError as error:
            return LiveCheck(endpoint, time.monotonic() - started_at, error.message, _remedy(error))
        return LiveCheck(endpoint, time.monotonic() - started_at, None)


def _remedy(error: OctorouteError) -> str:
    hint = hint_of(error) if isinstance(error, UpstreamError) else None
    return hint or next((remedy for kind, remedy in _REMEDIES if isinstance(error, kind)), "see the log of the server")


def _request(runtime: Runtime, endpoint: Endpoint) -> UpstreamRequest:
    if endpoint.tier is Tier.EMBEDDING:
        request = dialects.interfaces(runtime.wall)["embeddings"].read(EMBEDDING_REQUEST, request_id="check", headers={})
        return runtime.gateway.translator.upstream_request(request, endpoint)
    body = runtime.gateway.upstream.encode_request(PROMPT, endpoint, stream=False)
    return UpstreamRequest(body=body, stream=False, conversation=PROMPT)


def report(checks: Sequence[LiveCheck]) -> list[str]:
    """Return one line for each endpoint."""
    lines: list[str] = []
    for check in checks:
        name = f"{check.endpoint.tier}  {check.endpoint.id}"
        if check.problem is None:
            lines.append(f"  answers    {name}  in {check.took_s * 1000:.0f} ms")
        else:
            lines.append(f"  FAILS      {name}  {check.problem} ({check.endpoint.base_url}); {check.remedy}")
    return lines
