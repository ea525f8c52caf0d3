"""The transport for unusual servers and proxies: aiohttp's client without redirects, cookies, retries, and decompression.

Two limits are aiohttp's own: a body without length or chunks that a reset cuts short seems whole, and a POST on a connection that
its server has just closed is a BadUpstreamResponse, although no server has read it.
"""

from __future__ import annotations

import asyncio
import errno
import io
import socket
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from octoroute.errors import BadUpstreamResponse, TlsRejected, Unreachable, UpstreamError
from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.transports.content import ResponseBody, inflater_for
from octoroute.upstream.transports.failures import (
    CLOSED,
    CUT,
    NONSENSE,
    PINNED,
    PROXY,
    SILENT,
    VANISHED,
    bad_response,
    has_vanished,
    unreachable,
)
from octoroute.upstream.transports.peer_liveness import LONG_BYTES, LongRequestWatch, watch_peer
from octoroute.upstream.transports.request import USER_AGENT, extra_lines, origin_and_head, server_name

_AUTO = ("user-agent", "accept", "content-type")
"""Headers that aiohttp would add."""

_LARGE = 1 << 20
"""aiohttp wants larger bodies as files, which it writes in steps."""

# The first matching type counts, so subclasses precede their bases.
_MESSAGES: tuple[tuple[type[aiohttp.ClientError], str], ...] = (
    (aiohttp.ServerDisconnectedError, SILENT),
    (aiohttp.ClientPayloadError, CUT),
    (aiohttp.ClientResponseError, NONSENSE),
)


def _upstream_error(error: Exception) -> UpstreamError:
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
            return Unreachable("the request cannot be sent: its address or a header is not valid HTTP")
        case OSError() if has_vanished(error):
            return bad_response(VANISHED, error)
        case _:
            pass
    for kind, message in _MESSAGES:
        if isinstance(error, kind):
            return bad_response(message, error)
    return bad_response(CUT, error)


class _StrayBytes(Exception):
    """Bytes arrived on an idle connection. Nothing was sent on it."""


class _Request(aiohttp.ClientRequest):
    """aiohttp would take bytes that came between two responses for the second one."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if conn.protocol is not None and conn.protocol.should_close:
            raise _StrayBytes
        if int(self.headers.get("content-length", "0")) > LONG_BYTES:
            _watch_long_request(conn)
        return await super().send(conn)


def _watch_long_request(connection: Connection) -> None:
    transport, protocol = connection.transport, connection.protocol
    sock = transport.get_extra_info("socket") if transport is not None else None
    if transport is None or protocol is None or sock is None:
        return

    def lost() -> None:
        protocol.set_exception(TimeoutError(errno.ETIMEDOUT, VANISHED))
        transport.abort()

    LongRequestWatch(sock, is_under_way=lambda: not transport.is_closing(), unsent_bytes=transport.get_write_buffer_size, lost=lost)


def _watched_socket(address: tuple[Any, ...]) -> socket.socket:
    """`address`: of `socket.getaddrinfo`."""
    sock = socket.socket(*address[:3])
    watch_peer(sock)
    return sock


class _Pins(aiohttp.Fingerprint):
    """aiohttp checks one pin; this checks that one of several matches."""

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

    async def send(self, request: TransportRequest) -> _AiohttpResponse:
        origin_and_head(request)  # for its checks, which are stricter than aiohttp's
        extra_lines(request.extra)
        headers = (*request.headers, *request.extra)
        if not any(name.lower() == "user-agent" for name, _ in headers):
            headers = (*headers, ("user-agent", USER_AGENT))
        if not any(name.lower() == "accept-encoding" for name, _ in headers):
            headers = (*headers, ("accept-encoding", "identity"))
        if request.host:
            headers = (*headers, ("host", request.host))
        response = None
        while response is None:
            try:
                response = await self._session(
                    request.trust.pins_sha256 if request.trust else frozenset(), request.max_connections
                ).request(
                    request.method,
                    URL(request.url, encoded=True),
                    headers=headers,
                    data=io.BytesIO(request.body) if len(request.body) > _LARGE else request.body or None,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, connect=request.connect_timeout_s),
                    ssl=request.trust.context if request.trust else True,
                    proxy=request.proxy,
                    server_hostname=server_name(request.host) or None if request.url.startswith("https://") else None,
                )
            except _StrayBytes:  # uses up a pooled connection, so this ends
                continue
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise _upstream_error(error) from error
        try:
            return _AiohttpResponse(response)
        except BadUpstreamResponse:
            response.close()
            raise

    def _session(self, pins: frozenset[bytes], limit: int) -> aiohttp.ClientSession:
        """Made on first use, in the running loop; aiohttp sets pins and limits per connector."""
        if self._closed:
            raise Unreachable(CLOSED)
        session = self._sessions.get((pins, limit))
        if session is None:
            session = self._sessions[pins, limit] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    limit_per_host=limit,
                    keepalive_timeout=self._idle_s,
                    ssl=_Pins(pins) if pins else True,
                    socket_factory=_watched_socket,
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
        # aiohttp closes its sockets in the loop's next iteration.
        await asyncio.sleep(0)


class _AiohttpResponse(ResponseBody):
    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 101:
            raise bad_response(NONSENSE)
        headers: dict[str, str] = {}
        for name, value in response.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        if headers.get("transfer-encoding", "chunked").lower() != "chunked":
            raise bad_response(NONSENSE)
        self._inflater = inflater_for(headers)
        self._response = response
        connection = response.connection
        if connection is not None and connection.protocol is not None and (closed := connection.protocol.closed) is not None:
            closed.add_done_callback(self._cut)  # aiohttp does not wake the reader of a body in which it met invalid HTTP
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
            raise _upstream_error(error) from error

    def close(self) -> None:
        self._response.close()
