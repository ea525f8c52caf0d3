"""Errors of connections, in words that a client may read: no address, and no byte of the upstream's. Pure."""

from __future__ import annotations

import errno
import socket
import ssl

from octoroute.errors import BadUpstreamResponse, NoResources, TlsRejected, Unreachable

_CERTIFICATE: dict[int, str] = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed and not trusted",
    19: "comes from an authority that is not trusted",
    20: "comes from an authority that is not trusted",
    21: "comes from an authority that is not trusted",
    62: "is for another host",
    64: "is for another host",
}
"""By OpenSSL's verify code (X509_V_ERR_*)."""

# The first matching type counts, so subclasses precede their bases.
_UNREACHABLE: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLError, "the TLS handshake with the upstream failed"),
    (socket.gaierror, "the upstream's name could not be resolved"),
    (ConnectionRefusedError, "the upstream refused the connection"),
    (TimeoutError, "the connection to the upstream timed out"),
    (ConnectionError, "the upstream closed the connection while it was being opened"),
)

_LOCAL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Resources that this machine lacks; the endpoint is not at fault."""

_VANISHED = frozenset({errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})
"""What the kernel says of a connection that was open: its peer acknowledges nothing."""

CUT = "the upstream closed the connection before its answer was complete"
SILENT = "the upstream closed the connection without a response"
VANISHED = "the upstream stopped acknowledging what it was sent: its machine or the network is down"
NONSENSE = "the upstream's answer is not valid HTTP"
CLOSED = "the transport is closed"
NO_PROXY = "the native transport does not support proxies"
PROXY = "the connection to the proxy failed, or the proxy refused"
PINNED = "the upstream's TLS certificate is not the pinned one"


def unreachable(error: BaseException) -> Unreachable:
    """For a connection that could not be opened."""
    detail = str(error)[:500]
    if isinstance(error, ssl.SSLCertVerificationError):
        fault = _CERTIFICATE.get(error.verify_code, "could not be verified")
        return TlsRejected(f"the upstream's TLS certificate {fault}", detail=detail)
    if isinstance(error, OSError) and error.errno in _LOCAL:
        return NoResources("the gateway has no resources for another connection (file descriptors or memory)", detail=detail)
    for kind, message in _UNREACHABLE:
        if isinstance(error, kind):
            return Unreachable(message, detail=detail)
    return Unreachable("the connection to the upstream failed", detail=detail)


def bad_response(message: str, error: BaseException | None = None) -> BadUpstreamResponse:
    """For a connection that brought no response, or not all of one."""
    return BadUpstreamResponse(message, detail=str(error)[:500] if error else "")


def has_vanished(error: BaseException | None) -> bool:
    """Whether an open connection ended because its peer is gone without a word, not because it closed the connection."""
    return isinstance(error, OSError) and error.errno in _VANISHED
