"""What a vendor must be able to say: addresses, credentials, quirks. Pure; one instance serves every endpoint of its kind."""

from __future__ import annotations

from typing import Protocol

from octoroute.domain.endpoint import Endpoint


class Provider(Protocol):
    kind: str
    dialect: str
    """The wire format its servers speak: a key of `dialects.outbound`."""

    passes: tuple[str, ...]
    """Headers of a client of the same dialect that its servers understand; lower-case names."""

    def url(self, endpoint: Endpoint, api: str, *, stream: bool) -> str | None:
        """Where `api` ("chat", "embeddings", "completions", "count_tokens") lives; None: this kind has no such thing."""
        ...

    def headers(self, endpoint: Endpoint) -> tuple[tuple[str, str], ...]:
        """Credentials and configured headers. Not host, not lengths."""
        ...

    def probe_url(self, endpoint: Endpoint) -> str:
        """What the health probe GETs with `headers(endpoint)`."""
        ...
