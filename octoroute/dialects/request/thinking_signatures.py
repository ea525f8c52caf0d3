"""Signatures that octoroute gives to thinking of another provider: `octo.1.<origin>.<payload>`. Pure.

A thinking block in Anthropic's format needs a signature, and clients send it back. The origin names the provider of the thinking.
The payload is that provider's own signature if it has one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

MARK = "octo.1."
"""Prefix of every signature made here."""
REDACTED = "redacted"
"""Origin that marks redacted thinking, whose payload is the encrypted data."""


def mark_signature(text: str, origin: str, signature: str | None) -> str:
    """Make the signature of thinking by `origin`; without a `signature` the payload is a digest of the text."""
    return f"{MARK}{origin}.{signature or hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}"


def parse_signature(signature: str) -> tuple[str, str] | None:
    """Return (origin, payload) of a signature made here; None if it is the provider's own."""
    if not signature.startswith(MARK):
        return None
    origin, _, payload = signature[len(MARK) :].partition(".")
    return origin, payload


_SIGNED = re.compile(
    rb'"(?:signature|thought_?signature|encrypted_content)"\s*:\s*"(?!octo\.1\.[^."]*\.[0-9a-f]{32}")[^"]|"redacted_thinking"',
    re.IGNORECASE,
)
"""A provider's own signature or encrypted reasoning. A digest made here signs nothing that a provider verifies."""


def has_signed_thinking(messages: Iterable[bytes]) -> bool:
    """Whether the JSON of a message may have thinking that its provider verifies; True too for other fields of these names."""
    return any(_SIGNED.search(bytes(message)) is not None for message in messages)
