"""Checks of texts that several packages' options share; each is an `option.Check`. Pure."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, section 5.6.2."""

_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

_WRITTEN_BY_THE_TRANSPORT = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"}
    | {"proxy-connection", "proxy-authenticate", "proxy-authorization"}
)
"""They frame a message or belong to one connection: a second one would allow request smuggling."""


def label(text: str) -> str | None:
    if not text.strip():
        return "must not be blank; give it a name"
    if text != text.strip():
        return "must not begin or end with spaces; remove them"
    if not text.isprintable():
        return "contains a control character; remove it"
    return None


def region_word(text: str) -> str | None:
    """A region, or a privacy class: letters, digits, dots, hyphens, and underscores."""
    return None if _REGION.fullmatch(text) else "is not a region or a privacy class; write it like eu or us-east-1"


def header_name(text: str) -> str | None:
    if not _TOKEN.fullmatch(text):
        return "is not a valid HTTP header name; use letters, digits, and hyphens"
    if text.lower() == "host":
        return "is written by octoroute itself; set host of the endpoint or the provider instead"
    if text.lower() in _WRITTEN_BY_THE_TRANSPORT:
        return "is written by octoroute itself; remove it"
    return None


def message(text: str) -> str | None:
    """For an error text that is sent to clients."""
    if not text.strip():
        return "must not be blank; write the reason for the client"
    return "is longer than 1000 characters; shorten it" if len(text) > 1000 else None
