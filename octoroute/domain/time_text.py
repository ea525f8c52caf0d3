"""Times as people write them in a query or on a command line. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_UNITS_S = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGO = re.compile(r"([0-9]{1,6})([mhdw])")
_EPOCH_S = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")
_LOST_PLUS = re.compile(r"(T[0-9:.]+) (?=[0-9]{2}:?[0-9]{2}$)")
"""A plus that a URL decoder has turned into a space."""
FORMS = "an RFC 3339 time such as 2026-11-30T08:00:00Z, a day such as 2026-11-30 (UTC), seconds since the epoch, or a time ago: 24h"


def parse_time(text: str, now_s: float) -> float:
    """Return seconds since the epoch. A time without a zone is UTC. Raises ValueError, whose text is for users."""
    text = text.strip()
    if text == "now":
        return now_s
    if ago := _AGO.fullmatch(text):
        return max(0.0, now_s - int(ago[1]) * _UNITS_S[ago[2]])
    if _EPOCH_S.fullmatch(text) and not _is_day(text):
        return float(text)
    try:
        at = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+", text))
        seconds = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        seconds = -1.0
    if seconds < 0:
        raise ValueError(f"{text[:60]!r} is no time; write {FORMS}")
    return seconds


def _is_day(text: str) -> bool:
    """Eight digits are a day: 20261130."""
    return re.fullmatch(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])", text) is not None


def time_text(at_s: float) -> str:
    """RFC 3339, in UTC: `2026-11-30T08:00:00Z`."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
