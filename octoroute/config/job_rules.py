"""Checks of what the store and batches are told: keys for encryption, and hours of the day. Pure."""

from __future__ import annotations

import base64
import binascii
import re

_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


def hours(text: str) -> str | None:
    """A blank value means always."""
    return None if not text or hours_of(text) is not None else 'are not two times of the day; write them like "22:00-06:00"'


def hours_of(text: str) -> tuple[int, int] | None:
    """Two times as minutes of the day; None: there are none, or they are the same."""
    found = _HOURS.fullmatch(text)
    if found is None:
        return None
    first_hour, first_minute, last_hour, last_minute = map(int, found.groups())
    first, last = first_hour * 60 + first_minute, last_hour * 60 + last_minute
    return None if first == last else (first, last)


def encryption_key(text: str) -> str | None:
    """32 bytes in base64, of either alphabet."""
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    return None if len(key) == 32 else "is not a key of 32 bytes in base64; `octoroute store key` makes one"
