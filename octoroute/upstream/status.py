"""What a status other than 200 means; the contract's table. And which of an upstream's headers a client may see. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from octoroute.dialects.response.errors import retry_after_s
from octoroute.errors import BadUpstreamResponse, Overloaded, Throttled, TooSlow, UpstreamAuthError, UpstreamError, UpstreamRejected

PASSED_ON = ("content-type", "cache-control", "retry-after", "x-request-id", "request-id", "openai-processing-ms")
PASSED_ON_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")


def error_for_status(status: int, headers: Mapping[str, str], body: bytes, dialect: str) -> UpstreamError:
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
    return BadUpstreamResponse(f"the upstream answered with status {status}, which is no answer to a question")


@lru_cache(1024)
def _is_forwarded(name: str) -> bool:
    return name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)


def forwarded_headers(headers: Mapping[str, str]) -> dict[str, str]:
    passed: dict[str, str] = {}
    for name, value in headers.items():
        if _is_forwarded(name):
            passed[name] = value  # noqa: PERF403 - before Python 3.12 a comprehension is a call more, and every answer comes by
    return passed
