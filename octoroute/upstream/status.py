"""The error that an endpoint's status stands for (table in docs/api.md), and which of its headers a client may see. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from octoroute.dialects.response.retry_after import MAX_RETRY_AFTER_S, retry_after_s
from octoroute.dialects.response.upstream_error import read_upstream_error
from octoroute.errors import BadUpstreamResponse, UpstreamError

FORWARDED = ("content-type", "cache-control", "retry-after", "x-request-id", "request-id", "openai-processing-ms")
MAX_FORWARDED_BYTES = 4096
"""Of forwarded headers together: proxies before the gateway refuse a head larger than a page."""
FORWARDED_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")


def error_for_status(status: int, headers: Mapping[str, str], body: bytes, dialect: str) -> UpstreamError:
    """`body` and `dialect` are kept in the error only where the client may see the endpoint's own words."""
    return read_upstream_error(status, headers, body, dialect) or BadUpstreamResponse(
        f"the upstream answered with status {status}, which is no response to a request"
    )


@lru_cache(1024)
def _is_forwarded(name: str) -> bool:
    return name in FORWARDED or name.startswith(FORWARDED_PREFIXES)


def forwarded_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that the client gets. If they are too large, the longest of them are left out."""
    forwarded: dict[str, str] = {}
    size = 0
    for name, value in headers.items():
        if _is_forwarded(name):
            forwarded[name] = value
            size += len(name) + len(value)
    if "retry-after" in forwarded and (retry_after_s(headers, None) or 0.0) >= MAX_RETRY_AFTER_S:
        forwarded["retry-after"] = f"{MAX_RETRY_AFTER_S:.0f}"
    return forwarded if size <= MAX_FORWARDED_BYTES else _shortest(forwarded)


def _shortest(headers: Mapping[str, str]) -> dict[str, str]:
    """The shortest of `headers` that fit the limit; those of `FORWARDED` go before rate limits."""
    order = sorted(headers, key=lambda name: (name not in FORWARDED, len(name) + len(headers[name])))
    kept: dict[str, str] = {}
    left = MAX_FORWARDED_BYTES
    for name in order:
        left -= len(name) + len(headers[name])
        if left < 0:
            break
        kept[name] = headers[name]
    return kept
