"""What all connections of one listener share: their limits, and whether the process is stopping."""

from __future__ import annotations

import msgspec

from octoroute.config.schema.server import ServerTable
from octoroute.server.tls import ListenerTls


class ListenerState(msgspec.Struct):
    """Changed by a reload and by the signal to stop, and read by every connection."""

    settings: ServerTable = ServerTable()
    tls: ListenerTls | None = None
    """None: HTTP."""
    stopping: bool = False
    """Each response says `connection: close`, and the process is not ready."""
