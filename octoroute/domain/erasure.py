"""What is left to say of a person that was forgotten."""

from __future__ import annotations

import msgspec


class Erasure(msgspec.Struct, kw_only=True):
    """How much was deleted of a person."""

    requests: int = 0
    records: int = 0
    """Decision records."""
    bodies: int = 0
    responses: int = 0
    """Stored responses of the Responses API."""
