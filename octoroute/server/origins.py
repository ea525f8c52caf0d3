"""Which web pages and host names may use the gateway: the checks of Host, Origin, and Sec-Fetch-Site, and CORS.

A browser sends a page's request to any address, loopback included. A key stops that, because a page does not know it. While there
are no keys, the headers that a browser writes itself decide. Other programs send none of them but Host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from octoroute.config.schema import Config
from octoroute.errors import BadRequest, Forbidden
from octoroute.server.downstream import Message, Receive, Scope, Send

Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
"""Names in lower case."""

ANY = "*"
PREFLIGHT_MAX_AGE_S = 600
METHODS = "GET, HEAD, POST, PUT, DELETE, OPTIONS"

_MAX_KNOWN = 64
_MAX_SHOWN_CHARS = 100
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.~!$&'()*+,;=%-]*)(?::[0-9]*)?")
"""RFC 9110, 7.2: uri-host and port."""
_READING = frozenset({"GET", "HEAD"})
_FETCHED_BY_THE_USER = (None, "same-origin", "none")
_ALWAYS_READABLE = frozenset(
    {b"cache-control", b"content-language", b"content-length", b"content-type", b"expires", b"last-modified"}
)
"""Response headers that a page may read without `access-control-expose-headers` (Fetch: CORS-safelisted response-header names)."""
_FRAMING = frozenset({b"connection", b"transfer-encoding", b"vary"})


class OriginRules:
    """The checks of one configuration. Host texts that were found valid are kept, so that a common request costs two look-ups."""

    def __init__(self, config: Config) -> None:
        server = config.server
        self._guarded = not config.auth.requires_key
        self._bound = server.host
        self._hosts = frozenset(name.lower().rstrip(".") for name in server.allowed_hosts)
        self._origins = _listed(server.cors_origins)
        self._known: set[str] = set()
        """Host texts that need no further check."""

    def check(self, scope: Scope, headers: Mapping[str, str]) -> None:
        """Raises BadRequest for a head that is not valid HTTP/1.1, and Forbidden for a page or a name that may not use the gateway.

        `headers`: those of `scope`, by lower-case name.
        """
        host = headers.get("host")
        if len(headers) != len(scope["headers"]) or "transfer-encoding" in headers or ":path" in headers:
            _check_repeated(scope)
        if host not in self._known:
            self._check_host(host, scope)
        if self._guarded and ("origin" in headers or "sec-fetch-site" in headers):
            self._check_page(headers, scope.get("scheme", "http"))

    def _check_host(self, host: str | None, scope: Scope) -> None:
        if host is None:
            if scope.get("http_version") == "1.1":
                raise BadRequest("the Host header is missing; HTTP/1.1 requires one")
            return
        match = _HOST.fullmatch(host)
        if match is None:
            raise BadRequest("the Host header is not a valid host name with an optional port")
        if self._guarded and not self._serves(match["name"]):
            raise Forbidden(
                f"the host name {host[:_MAX_SHOWN_CHARS]!r} is not served while there are no keys; "
                "add it to server.allowed_hosts, or set [auth] keys"
            )
        if len(self._known) < _MAX_KNOWN:
            self._known.add(host)

    def _serves(self, name: str) -> bool:
        """Whether the name is loopback, the bound address, or allowed.

        An attacker can make a name of their own resolve to this machine (DNS rebinding), which is not possible with an IP address.
        So a gateway that is bound to every interface is served under every IP address.
        """
        name = name.lower().strip("[]").rstrip(".")
        if name == "localhost" or name.endswith(".localhost") or name in self._hosts or ANY in self._hosts:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        if address.is_loopback:
            return True
        bound = None if self._bound == "localhost" else ipaddress.ip_address(self._bound)
        return bound is not None and (bound.is_unspecified or bound == address)

    def _check_page(self, headers: Mapping[str, str], scheme: str) -> None:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin in self._origins or ANY in self._origins:
            return
        own = origin is None or _is_own(origin, headers.get("host", ""), scheme, site)
        if own and site in _FETCHED_BY_THE_USER:
            return
        page = "a page of another site" if origin is None or own else f"the page {origin[:_MAX_SHOWN_CHARS]!r}"
        raise Forbidden(
            f"{page} may not use this gateway while there are no keys; add its origin to server.cors_origins, or set [auth] keys"
        )


def check_own_page(scope: Scope, headers: Mapping[str, str], *, bare: bool) -> None:
    """Raises Forbidden unless a page of the gateway itself sends the request, or its user opens a page of it, also by a link.

    A browser adds a cookie to requests of other pages, too, such as those of another port (Fetch: same-site), so that these headers
    decide. `bare`: a request with neither header is accepted, as programs send it, and browsers of plain HTTP when they read.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if site is not None:
        opened = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest", "document") == "document"
        own = site == "same-origin" or (scope["method"] in _READING and (site == "none" or opened))
    elif origin is not None:
        own = _is_own(origin, headers.get("host", ""), scheme_of(scope, headers), site)
    else:
        own = bare
    if not own:
        raise Forbidden("a page of another site may not use the session of this browser; use the gateway's own pages, or a key")


def scheme_of(scope: Scope, headers: Mapping[str, str]) -> str:
    """The scheme that the client's browser sees: a proxy in front may have TLS."""
    said = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return said if said in {"http", "https"} else scope.get("scheme", "http")


def _is_own(origin: str, host: str, scheme: str, site: str | None) -> bool:
    """Whether the page is the gateway's own. Behind a proxy with TLS only the browser knows the scheme; `site` then decides."""
    page_scheme, _, page_host = origin.lower().partition("://")
    return page_host == host.lower() and (page_scheme == scheme or site == "same-origin")


def _check_repeated(scope: Scope) -> None:
    """Raises BadRequest for a second Host, and for a transfer coding that the server does not decode."""
    hosts = 0
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding" and value.lower() != b"chunked":
            raise BadRequest("transfer-encoding: only chunked is supported; send the body with content-length, or chunked")
    if hosts > 1:
        raise BadRequest("there are two Host headers; send one")


def _listed(origins: tuple[str, ...]) -> frozenset[str]:
    return frozenset(origin.lower() for origin in origins)


class Cors:
    """Cross-origin resource sharing (the Fetch standard) for the pages of `server.cors_origins`."""

    def __init__(self, origins: tuple[str, ...], inner: Application) -> None:
        self._origins = _listed(origins)
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, whose browser sends no key with it; add the headers of CORS to every other response."""
        allowed = _allowed(scope["headers"], self._origins) if scope["type"] == "http" else None
        if allowed is None:
            await self._inner(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and _header(scope["headers"], b"access-control-request-method") is not None:
            await send({"type": "http.response.start", "status": 204, "headers": [*allowed, *_preflight(scope)]})
            await send({"type": "http.response.body", "body": b""})
            return

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", [])
                message = {**message, "headers": [*headers, *allowed, *_exposed(headers)]}
            await send(message)

        await self._inner(scope, receive, send_allowed)


def readable_by_page(request: RawHeaders, response: RawHeaders, origins: tuple[str, ...]) -> RawHeaders:
    """The headers of CORS for an error that is sent before the application is called. `origins`: of `server.cors_origins`."""
    allowed = _allowed(request, _listed(origins)) if origins else None
    return [] if allowed is None else [*allowed, *_exposed(response)]


def _allowed(request: RawHeaders, origins: frozenset[str]) -> RawHeaders | None:
    """The headers that let the page read the response; None: no page asks, or none that may."""
    origin = _header(request, b"origin")
    if origin is None:
        return None
    if ANY in origins:
        return [(b"access-control-allow-origin", b"*")]
    if origin.decode("latin-1").lower() not in origins:
        return None
    return [(b"access-control-allow-origin", origin), (b"access-control-allow-credentials", b"true"), (b"vary", b"origin")]


def _preflight(scope: Scope) -> RawHeaders:
    """What the page may send: everything it asks for, because every route checks its own method and headers."""
    headers = [
        (b"access-control-allow-methods", METHODS.encode()),
        (b"access-control-max-age", str(PREFLIGHT_MAX_AGE_S).encode()),
    ]
    asked = _header(scope["headers"], b"access-control-request-headers")
    if asked:
        headers.append((b"access-control-allow-headers", asked))
    if _header(scope["headers"], b"access-control-request-private-network") == b"true":
        headers.append((b"access-control-allow-private-network", b"true"))
    return headers


def _exposed(headers: RawHeaders) -> RawHeaders:
    """The header that lets the page read the response's own headers: `*` would not do for a page that sends credentials."""
    names = dict.fromkeys(name.lower() for name, _ in headers)
    exposed = [name for name in names if name not in _ALWAYS_READABLE and name not in _FRAMING]
    return [(b"access-control-expose-headers", b", ".join(exposed))] if exposed else []


def _header(headers: RawHeaders, wanted: bytes) -> bytes | None:
    return next((value for name, value in headers if name == wanted), None)
