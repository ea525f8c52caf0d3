"""The vendors' addresses and credentials."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from octoroute.domain.endpoint import Endpoint, Secret
from octoroute.upstream.providers.base import Headers, Provider

from .dialect import NdjsonOutbound

JSON = ("content-type", "application/json")


class NdjsonProvider(Provider):
    kind = "acme-ndjson"
    dialect = "acme-ndjson"
    passes: tuple[str, ...] = ()
    outbound = NdjsonOutbound()

    def url(self, endpoint: Endpoint, api: str, *, stream: bool) -> str | None:
        return {"chat": endpoint.base_url + "/chat", "count_tokens": endpoint.base_url + "/count"}.get(api)

    def headers(self, endpoint: Endpoint) -> Headers:
        return (JSON, *endpoint.headers)

    def probe_url(self, endpoint: Endpoint) -> str:
        return endpoint.base_url + "/models"


class SigningProvider(Provider):
    """OpenAI's format. `api_key` is a shared secret that never leaves the gateway: it signs date, method, path, and body."""

    kind = "acme-signed"
    dialect = "openai"
    passes: tuple[str, ...] = ("x-acme-trace",)
    credential_headers = frozenset({"x-acme-signature"})

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    def url(self, endpoint: Endpoint, api: str, *, stream: bool) -> str | None:
        return endpoint.base_url + "/chat/completions" if api == "chat" else None

    def headers(self, endpoint: Endpoint) -> Headers:
        return (JSON, *endpoint.headers)

    def probe_url(self, endpoint: Endpoint) -> str:
        return endpoint.base_url + "/models"

    def sign(self, endpoint: Endpoint, *, method: str, url: str, headers: Headers, body: bytes) -> Headers:
        date = self._now().strftime("%Y%m%dT%H%M%S.%fZ")
        key = endpoint.api_key or Secret("")
        return (("x-acme-date", date), ("x-acme-signature", signature(key.reveal(), date, method, urlsplit(url).path, body)))


def signature(key: str, date: str, method: str, path: str, body: bytes) -> str:
    text = b"\n".join([date.encode(), method.encode(), path.encode(), hashlib.sha256(body).hexdigest().encode()])
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
