"""Whether an endpoint is one's own server: without a price its answers cost no money, while a vendor's cost an unknown amount."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

_PRIVATE_SUFFIXES = (".local", ".internal", ".lan", ".home.arpa", ".localhost", ".svc", ".cluster.local")


@lru_cache(maxsize=1024)
def is_own_server(base_url: str) -> bool:
    """True for a private or loopback address, and for names that only a private network resolves."""
    try:
        host = (urlsplit(base_url).hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_PRIVATE_SUFFIXES))
