"""The error that an endpoint's status stands for (table in docs/api.md), and which of its headers a client may see. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from octoroute.dialects.response.errors import retry_after_s
from octoroute.errors import BadUpstreamResponse, Overloaded, Throttled, TooSlow, UpstreamAuthError, UpstreamError, UpstreamRejected

FORWARDED = ("content-type", "cache-control", "retry-after", "x-request-id", "request-id", "openai-processing-ms")
FORWARDED_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")


def error_for_status(status: int, headers: Mapping[str, str], body: bytes, dialect: str) -> UpstreamError:
    """`body` and `dialect` are kept in the error only where the client may see the endpoint's own words."""
    wait_s = retry_after_s(headers, None)
    if status == 429:
        return Throttled("the upstream limits its rate", retry_after_s=wait_s)
    if status in {401, 402, 403}:
        return UpstreamAuthError(f"the upstream refuses the gateway's credentials (status {status}); this is not about your key")
    if status in {503, 529}:
        return Overloaded("the upstream is overloaded", retry_after_s=wait_s)
    if status == 504:
        return TooSlow("the upstream timed out (status 504)")
    if status in {408, 409, 425} or status >= 500:
        return BadUpstreamResponse(f"the upstream failed with status {status}", retry_after_s=wait_s)
    if 400 <= status < 500:
        return UpstreamRejected(
            f"the upstream refused the request with status {status}",
            status=status,
            body=body,
            headers=headers,
            dialect=dialect,
        )
    return BadUpstreamResponse(f"the upstream answered with status {status}, which is no response to a request")


@lru_cache(1024)
def _is_forwarded(name: str) -> bool:
    return name in FORWARDED or name.startswith(FORWARDED_PREFIXES)


def forwarded_headers(headers: Mapping[str, str]) -> dict[str, str]:
    forwarded: dict[str, str] = {}
    for name, value in headers.items():
        if _is_forwarded(name):
            forwarded[name] = value  # noqa: PERF403 - before Python 3.12 a comprehension is one more call for every response
    return forwarded
