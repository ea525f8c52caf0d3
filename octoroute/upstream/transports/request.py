"""A `TransportRequest` as bytes: its origin and its head. A value that could be read as more than one field is refused. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from octoroute.domain.version import __version__
from octoroute.errors import Unreachable
from octoroute.upstream.transports.base import TransportRequest, Trust

_URL = re.compile(r"[\x21-\x7e]+")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_FRAMING = frozenset({"connection", "content-length", "expect", "host", "te", "transfer-encoding", "upgrade"})
"""Headers that say where the message ends; a second one of them would allow request smuggling."""

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+(?::[0-9]{1,5})?)?")
USER_AGENT = f"octoroute/{__version__}"
"""Firewalls refuse requests without one; a configured header of that name takes its place."""
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Idempotent methods (RFC 9110, 9.2.2)."""


class Origin(NamedTuple):
    tls: bool
    host: str
    port: int
    trust: Trust | None
    server_name: str = ""
    """For TLS, and in the certificate; empty: `host`."""


def unsendable(what: str) -> Unreachable:
    return Unreachable(f"the request cannot be sent: {what}")


def server_name(host: str) -> str:
    """The TLS server name for a Host header: without a port."""
    return host.partition(":")[0]


def origin_and_head(request: TransportRequest) -> tuple[Origin, bytes]:
    """The head lacks only content-length and the empty line. Raises Unreachable for a request that is not valid HTTP."""
    if not _URL.fullmatch(request.url):
        raise unsendable("its address holds a character that must be percent-encoded")
    try:
        url = urlsplit(request.url)
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError as error:
        raise unsendable("its address is not a URL") from error
    host = url.hostname
    if url.scheme not in ("http", "https") or not host:
        raise unsendable("its address does not begin with http:// or https:// and a host")
    if "@" in url.netloc:
        raise unsendable("its address holds a user name; send credentials as a header")
    if not _HOST.fullmatch(request.host):
        raise unsendable("its host is not a host")
    if not _TOKEN.fullmatch(request.method):
        raise unsendable("its method is not valid")
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = [f"{request.method} {target} HTTP/1.1", f"host: {request.host or url.netloc}"]
    names: set[str] = set()
    for name, value in request.headers:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise unsendable("one of its headers holds a character that HTTP does not allow")
        names.add(name.lower())
        lines.append(f"{name}: {value}")
    if twice := names & _FRAMING:
        raise unsendable(f"the header {min(twice)} is set by octoroute itself")
    if "accept-encoding" not in names:
        lines.append("accept-encoding: identity")
    if "user-agent" not in names:
        lines.append(f"user-agent: {USER_AGENT}")
    tls = url.scheme == "https"
    return Origin(tls, host, port, request.trust, server_name(request.host) if tls else ""), ("\r\n".join(lines) + "\r\n").encode(
        "latin-1"
    )


@lru_cache(256)
def _is_token(name: str) -> bool:
    return _TOKEN.fullmatch(name) is not None


def extra_lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    """Headers of one request as bytes. Raises Unreachable for one that is not valid HTTP."""
    for name, value in headers:
        plain = value.isascii() and value.isprintable()  # nearly always, and at a third of the cost
        if not _is_token(name) or not (plain or _VALUE.fullmatch(value)):
            raise unsendable("one of its headers holds a character that HTTP does not allow")
    return "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1")
