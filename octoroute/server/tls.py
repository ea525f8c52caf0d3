"""HTTPS of the listener: a certificate that a reload replaces, for the handshakes from then on."""

from __future__ import annotations

import ssl

import structlog

from octoroute.config.schema.server import ServerTlsTable
from octoroute.errors import OctorouteError

log = structlog.stdlib.get_logger("octoroute.server")


class ListenerTls:
    def __init__(self, settings: ServerTlsTable) -> None:
        """Raises OctorouteError if the files cannot be used."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.options |= ssl.OP_NO_RENEGOTIATION
        self.context.set_alpn_protocols(["http/1.1"])
        try:
            self._read(settings)
        except (OSError, ValueError) as error:
            raise OctorouteError("server.tls: the certificate and its key cannot be used; run `octoroute check`") from error

    def renew(self, settings: ServerTlsTable) -> None:
        """Read the files again. Files that have become unusable are logged, and the certificate stays."""
        try:
            probe = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            probe.load_cert_chain(settings.cert_file, settings.key_file or None, password="")
            self._read(settings)
        except (OSError, ValueError) as error:
            log.error("the new certificate is not used, the old one stays", error=type(error).__name__)  # noqa: TRY400

    def _read(self, settings: ServerTlsTable) -> None:
        self.context.load_cert_chain(settings.cert_file, settings.key_file or None, password="")  # "": never ask on the terminal


def listener_tls(settings: ServerTlsTable) -> ListenerTls | None:
    """None: the listener speaks HTTP."""
    return ListenerTls(settings) if settings.cert_file else None
