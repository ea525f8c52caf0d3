"""The transport for odd servers: aiohttp's client with everything clever switched off.

Two weaknesses are aiohttp's own: a body without length or chunks that a reset cuts short seems whole, and a POST that meets a
connection its server has just closed is Broke, though nobody has read it.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from octoroute.errors import BadUpstreamResponse, TlsRejected, Unreachable, UpstreamError
from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.transports.content import ResponseBody, undo
from octoroute.upstream.transports.failures import CLOSED, CUT, NONSENSE, PINNED, PROXY, SILENT, broke, unreachable
from octoroute.upstream.transports.request import origin_and_head

_AUTO = ("user-agent", "accept", "content-type")
"""Headers aiohttp would add of its own accord."""

_LARGE = 1 << 20
"""aiohttp wants larger bodies as files, and writes those in steps."""

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
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return Unreachable(PROXY, detail=str(error)[:500])
        case aiohttp.ClientConnectorError():
            return unreachable(error.os_error)
        case aiohttp.ServerFingerprintMismatch():
            return TlsRejected(PINNED)
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


class _StrayBytes(Exception):
    """Something came on an idle connection. Nothing was sent on it."""


class _Request(aiohttp.ClientRequest):
    """aiohttp would take bytes that came between two answers for the second one."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if conn.protocol is not None and conn.protocol.should_close:
            raise _StrayBytes
        return await super().send(conn)


class _Pins(aiohttp.Fingerprint):
    """aiohttp knows one pin; any of these will do."""

    def __init__(self, pins: frozenset[bytes]) -> None:
        super().__init__(min(pins))
        self._pins = [aiohttp.Fingerprint(pin) for pin in pins]

    def check(self, transport: asyncio.Transport) -> None:
        failed: aiohttp.ServerFingerprintMismatch | None = None
        for pin in self._pins:
            try:
                pin.check(transport)
            except aiohttp.ServerFingerprintMismatch as mismatch:
                failed = mismatch
            else:
                return
        if failed is not None:
            raise failed


class AiohttpTransport:
    def __init__(self, *, idle_s: float = 30.0) -> None:
        """`idle_s`: how long an unused connection is kept."""
        self._idle_s = idle_s
        self._sessions: dict[tuple[frozenset[bytes], int], aiohttp.ClientSession] = {}
        self._closed = False

    async def send(self, call: TransportRequest) -> _AiohttpAnswer:
        origin_and_head(call)  # for its refusals, which are stricter than aiohttp's
        headers = call.headers
        if not any(name.lower() == "accept-encoding" for name, _ in headers):
            headers = (*headers, ("accept-encoding", "identity"))
        response = None
        while response is None:
            try:
                response = await self._session(call.trust.pins_sha256 if call.trust else frozenset(), call.max_connections).request(
                    call.method,
                    URL(call.url, encoded=True),
                    headers=headers,
                    data=io.BytesIO(call.body) if len(call.body) > _LARGE else call.body or None,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, connect=call.connect_timeout_s),
                    ssl=call.trust.context if call.trust else True,
                    proxy=call.proxy,
                )
            except _StrayBytes:  # uses up a pooled connection, so this ends
                continue
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise _translated(error) from error
        try:
            return _AiohttpAnswer(response)
        except BadUpstreamResponse:
            response.close()
            raise

    def _session(self, pins: frozenset[bytes], most: int) -> aiohttp.ClientSession:
        """Made on first use, since it belongs to the loop it is made in; aiohttp takes pins and limits by connector."""
        if self._closed:
            raise Unreachable(CLOSED)
        session = self._sessions.get((pins, most))
        if session is None:
            session = self._sessions[pins, most] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, limit_per_host=most, keepalive_timeout=self._idle_s, ssl=_Pins(pins) if pins else True
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                request_class=_Request,
                skip_auto_headers=_AUTO,
                auto_decompress=False,
                trust_env=False,
                read_bufsize=64 * 1024,
            )
        return session

    async def close(self) -> None:
        self._closed = True
        for session in self._sessions.values():
            await session.close()
        # aiohttp leaves the last step of closing its sockets to the loop's next turn.
        await asyncio.sleep(0)


class _AiohttpAnswer(ResponseBody):
    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 101:
            raise broke(NONSENSE)
        headers: dict[str, str] = {}
        for name, value in response.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        if headers.get("transfer-encoding", "chunked").lower() != "chunked":
            raise broke(NONSENSE)
        self._inflater = undo(headers)
        self._response = response
        connection = response.connection
        if connection is not None and connection.protocol is not None and (closed := connection.protocol.closed) is not None:
            closed.add_done_callback(self._cut)  # aiohttp forgets whoever reads a body in which it met nonsense
        self.status = response.status
        self.headers: Mapping[str, str] = headers

    def _cut(self, closed: asyncio.Future[None]) -> None:
        error = closed.exception()
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError(str(error or "")))

    async def _raw(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError, RuntimeError) as error:  # RuntimeError: the session was closed meanwhile
            raise _translated(error) from error

    def close(self) -> None:
        self._response.close()
