"""The transport for odd servers: aiohttp's client with everything clever switched off. It never retries a POST."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp
from yarl import URL

from octoroute.errors import Broke, Unreachable, UpstreamError
from octoroute.transports.base import Call
from octoroute.transports.content import Body, undo
from octoroute.transports.failures import CUT, NONSENSE, PINNED, SILENT, broke, unreachable

_AUTO = ("user-agent", "accept", "content-type")
"""Headers aiohttp would add of its own accord."""

# The first type that fits wins, so subclasses stand before their bases.
_BROKE: tuple[tuple[type[aiohttp.ClientError], str], ...] = (
    (aiohttp.ServerDisconnectedError, SILENT),
    (aiohttp.ClientPayloadError, CUT),
    (aiohttp.ClientResponseError, NONSENSE),
)


def _translated(error: Exception) -> UpstreamError:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return unreachable(error.certificate_error)
        case aiohttp.ClientConnectorError():
            return unreachable(error.os_error)
        case aiohttp.ServerFingerprintMismatch():
            return Unreachable(PINNED)
        case aiohttp.ConnectionTimeoutError():
            return unreachable(TimeoutError())
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | ValueError():
            return Unreachable("the request cannot be put on the wire: its address or a header is not valid HTTP")
        case _:
            pass
    for kind, message in _BROKE:
        if isinstance(error, kind):
            return broke(message, error)
    return broke(CUT, error)


class AiohttpTransport:
    def __init__(self, *, idle_s: float = 30.0) -> None:
        """`idle_s`: how long an unused connection is kept."""
        self._idle_s = idle_s
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def send(self, call: Call) -> _AiohttpAnswer:
        headers = call.headers
        if not any(name.lower() == "accept-encoding" for name, _ in headers):
            headers = (*headers, ("accept-encoding", "identity"))
        try:
            response = await self._running().request(
                call.method,
                URL(call.url, encoded=True),
                headers=headers,
                data=call.body or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=call.connect_timeout_s),
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _translated(error) from error
        try:
            return _AiohttpAnswer(response)
        except Broke:
            response.close()
            raise

    def _running(self) -> aiohttp.ClientSession:
        """Made on first use: a session belongs to the loop it is made in."""
        if self._closed:
            raise Unreachable("the transport is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=self._idle_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_AUTO,
                auto_decompress=False,
                trust_env=False,
                read_bufsize=64 * 1024,
            )
        return self._session

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()
            # aiohttp leaves the last step of closing its sockets to the loop's next turn.
            await asyncio.sleep(0)


class _AiohttpAnswer(Body):
    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        headers: dict[str, str] = {}
        for name, value in response.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        self._inflater = undo(headers)
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = headers

    async def _raw(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error) from error

    def close(self) -> None:
        self._response.close()
