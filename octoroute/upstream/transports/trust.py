"""The operator's certificate files as a `Trust`. The only module that reads them."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path

from octoroute.domain.endpoint import Tls
from octoroute.upstream.transports.base import Trust


def problems(tls: Tls) -> Iterator[tuple[str, str]]:
    """(configuration key, problem and remedy) of files that cannot be used."""
    unreadable = False
    for key in ("ca_file", "client_cert", "client_key"):
        file = getattr(tls, key)
        if file is not None and (wrong := _unreadable(file)):
            yield key, wrong
            unreadable = True
    if unreadable:
        return
    if tls.client_key is not None and tls.client_cert is None:
        yield "client_key", "has no client_cert to go with; add it, or remove this"
        return
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except (ssl.SSLError, OSError, ValueError):
        yield "ca_file", "holds no certificate; it must be PEM, with -----BEGIN CERTIFICATE-----"
        return
    if tls.client_cert is not None:
        try:
            _prove(context, tls)
        except (ssl.SSLError, OSError, ValueError):
            key = "client_cert" if tls.client_key is None else "client_key"
            yield key, "does not make a pair of certificate and key; both must be PEM, belong together, and have no passphrase"


def _unreadable(file: str) -> str | None:
    try:
        with Path(file).open("rb") as stream:
            stream.read(1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "is not a path"
        return f"cannot be read: {reason}; check the path, which is taken from the current directory, and its permissions"
    return None


def version(tls: Tls) -> str:
    """A digest of the files' contents, so that renewed certificates make different settings. A file that is gone has one, too."""
    digest = hashlib.sha256()
    for file in (tls.ca_file, tls.client_cert, tls.client_key):
        try:
            digest.update(Path(file).read_bytes() if file else b"-")
        except (OSError, ValueError):
            digest.update(b"?")
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def trust(tls: Tls) -> Trust:
    """Raises OSError (ssl.SSLError is one) when a file has become unusable since the configuration was read."""
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.set_alpn_protocols(["http/1.1"])
    if tls.client_cert is not None:
        _prove(context, tls)
    return Trust(context=context, pins_sha256=tls.pins_sha256)


def _prove(context: ssl.SSLContext, tls: Tls) -> None:
    assert tls.client_cert is not None
    context.load_cert_chain(tls.client_cert, tls.client_key, password="")  # "": never ask on the terminal
