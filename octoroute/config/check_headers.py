"""Extra HTTP headers of an endpoint: merged from its provider and itself, and checked against the key that is sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from octoroute.config import rules
from octoroute.config.environment import child
from octoroute.config.reader import ConfigReader

HeaderTables: TypeAlias = Sequence[tuple[str, Mapping[str, str]]]
"""(path, headers) of the provider, then of the endpoint."""


def merge_headers(tables: HeaderTables, reader: ConfigReader) -> tuple[tuple[str, str], ...]:
    """A later table replaces a header of an earlier one. Names are compared without case, as in HTTP."""
    merged: dict[str, tuple[str, str]] = {}
    for path, headers in tables:
        seen: set[str] = set()
        for name, value in headers.items():
            if name.lower() in seen:
                _once(reader, child(path, name), "appears twice, in upper and lower case; keep one of them")
            seen.add(name.lower())
            merged[name.lower()] = (name, value)
    return tuple(merged.values())


def check_credentials(tables: HeaderTables, kind: str, reader: ConfigReader) -> None:
    """A problem for each header that would replace the endpoint's api_key."""
    for path, headers in tables:
        for name in headers:
            if rules.is_credential(name, kind):
                text = "would be sent instead of api_key; remove one, or set allow_auth_header_override = true in the provider"
                _once(reader, child(path, name), text)


def _once(reader: ConfigReader, path: str, text: str) -> None:
    """A provider's problem is found again with each of its endpoints."""
    if (path, text) not in reader.problems:
        reader.problem(path, text)
