"""The keys that a request offers, and their digests. A key's text goes no further than this module. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from octoroute.domain.request import KEY_HEADERS

PREFIX = "octo_"
"""Begins every key that the gateway makes, so that secret scanners and people recognise one."""


def digest_of(key: str) -> bytes:
    """SHA-256 of the key. Keys are random texts of at least 128 bits, which a slow password hash would protect no better."""
    return hashlib.sha256(key.encode("latin-1", "replace")).digest()


def offered_keys(headers: Mapping[str, str]) -> list[str]:
    """Return the keys that the client sends. Anthropic's clients may send two, and either may be valid.

    Keys are in one of `KEY_HEADERS`, or in `authorization`, with or without `Bearer`.
    """
    offered = [key for name in KEY_HEADERS if (key := headers.get(name))]
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    if key := token.strip() if scheme.lower() == "bearer" else scheme if not token else "":
        offered.append(key)
    return offered
