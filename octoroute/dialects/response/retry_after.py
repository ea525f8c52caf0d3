"""How long an upstream asks to wait: `retry-after`, Google's RetryInfo, and the reset times of rate limits. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

MAX_RETRY_AFTER_S = 3600.0
"""No wait is longer, whatever an upstream asks for."""
_MAX_DURATION_CHARS = 40
_RESETS = re.compile(r"(x-ratelimit|anthropic-ratelimit|ratelimit)-(?:(.+)-)?reset(?:-(.+))?")
"""Names of headers with the time of a reset: the limit that is meant stands before or after the word, or not at all."""
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")
_UNITS_S = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_MIN_EPOCH_S, _MIN_EPOCH_MS, _MAX_EPOCH_MS = 1e9, 1e12, 1e15
"""A number from the first on is a time in seconds since the epoch, from the second on one in milliseconds."""


def retry_after_s(headers: Mapping[str, str], now_s: float | None, details: Sequence[object] = ()) -> float | None:
    """Seconds to wait, from `retry-after-ms`, `retry-after` (seconds or a date), or Google's RetryInfo; None if not stated.

    MAX_RETRY_AFTER_S at most. `headers` have lower-case names. `now_s`, in seconds since the epoch, is compared with dates; None
    means now.
    """
    wait_s = _stated_wait_s(headers, now_s, details)
    return None if wait_s is None else min(wait_s, MAX_RETRY_AFTER_S)


def _stated_wait_s(headers: Mapping[str, str], now_s: float | None, details: Sequence[object]) -> float | None:
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    if value:
        try:
            now = datetime.now(UTC).timestamp() if now_s is None else now_s
            return max(0.0, parsedate_to_datetime(value).timestamp() - now)
        except (ValueError, TypeError, OverflowError):
            pass
    for detail in details:
        delay = cast("dict[str, object]", detail).get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and delay.endswith("s"):
            return _number(delay[:-1])
    return None


def rate_limit_reset_s(headers: Mapping[str, str], now_s: float | None) -> float | None:
    """Seconds until the limits that are used up are free again, from rate limit headers; None if they do not tell.

    Read of a 429 only. A limit of which something remains is not what the vendor means.
    """
    waits: list[float] = []
    for name, value in headers.items():
        match = _RESETS.fullmatch(name)
        if match is None:
            continue
        left = headers.get(_remaining_name(*match.groups()))
        if left is not None and (_number(left) or 0.0) > 0:
            continue
        wait_s = _duration_s(value.strip(), datetime.now(UTC).timestamp() if now_s is None else now_s)
        if wait_s is not None and wait_s > 0:
            waits.append(wait_s)
    return min(max(waits), MAX_RETRY_AFTER_S) if waits else None


def _remaining_name(prefix: str, before: str | None, after: str | None) -> str:
    """The header with what remains of the limit that a reset header names, in the same spelling."""
    if before:
        return f"{prefix}-{before}-remaining"
    return f"{prefix}-remaining-{after}" if after else f"{prefix}-remaining"


def _duration_s(text: str, now_s: float) -> float | None:
    """Of `17`, `6m0s`, `120ms`, a time in seconds or milliseconds since the epoch, or an RFC 3339 date."""
    if not text or len(text) > _MAX_DURATION_CHARS:
        return None
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        if not 0 <= number < _MAX_EPOCH_MS:
            return None
        if number >= _MIN_EPOCH_MS:
            return number / 1000 - now_s
        return number - now_s if number >= _MIN_EPOCH_S else number
    match = _DURATION.fullmatch(text)
    try:
        if match is not None:
            return sum(float(part) * unit for part, unit in zip(match.groups(), _UNITS_S, strict=True) if part)
        return datetime.fromisoformat(text).timestamp() - now_s
    except (ValueError, OverflowError):
        return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value else -1.0
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None
