"""Signatures of thinking that did not come from the format it is shown in: marked as ours. Pure.

A thinking block in Anthropic's format must have a signature, and clients send it back. Ours says where the thinking came from, and
carries that provider's own signature when there is one: `octo.1.<origin>.<payload>`.
"""

from __future__ import annotations

import hashlib

MARK = "octo.1."


def mark_signature(text: str, origin: str, signature: str | None) -> str:
    """For thinking by `origin`; without a signature of its own the payload is a digest of the text."""
    return f"{MARK}{origin}.{signature or hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}"


def parse_signature(signature: str) -> tuple[str, str] | None:
    """(origin, payload) of a signature made here; None: it is the provider's own."""
    if not signature.startswith(MARK):
        return None
    origin, _, payload = signature[len(MARK) :].partition(".")
    return origin, payload
