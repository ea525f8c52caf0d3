"""Small requests to servers that are no endpoints: identity providers and token servers. Bounded; no redirect, no retry."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from octoroute.errors import BadUpstreamResponse, TooSlow
from octoroute.upstream.transports.base import Transport, TransportRequest

MAX_ANSWER_BYTES = 1024 * 1024
TIMEOUT_S = 10.0
_ALWAYS = (("accept", "application/json"),)


class WebAnswer(NamedTuple):
    status: int
    body: bytes


class WebClient:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self, url: str) -> bytes:
        """Return the body of an answer with status 200. Raises UpstreamError, whose text names the host only."""
        answer = await self._send(TransportRequest(method="GET", url=url, headers=_ALWAYS))
        if answer.status != 200:
            raise BadUpstreamResponse(f"{urlsplit(url).netloc} answered with status {answer.status}")
        return answer.body

    async def post_form(self, url: str, fields: Mapping[str, str], headers: tuple[tuple[str, str], ...] = ()) -> WebAnswer:
        """Send fields, which may be secrets, and return the answer, whatever its status. Raises UpstreamError."""
        content = (("content-type", "application/x-www-form-urlencoded"),)
        return await self._send(
            TransportRequest(method="POST", url=url, headers=(*_ALWAYS, *content, *headers), body=urlencode(fields).encode())
        )

    async def _send(self, request: TransportRequest) -> WebAnswer:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                response = await self._transport.send(request)
                try:
                    return WebAnswer(response.status, await response.body(MAX_ANSWER_BYTES))
                finally:
                    response.close()
        except TimeoutError:
            raise TooSlow(f"{urlsplit(request.url).netloc} did not answer within {TIMEOUT_S:g} s") from None
