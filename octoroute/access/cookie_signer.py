"""Values that a browser keeps for the gateway, as signed texts. A text that the gateway did not write for this purpose is no value.

The browser's user can read such a text and cannot change it. It has no key of the gateway. Pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TypeVar

import msgspec

SECRET_BYTES = 32
MAX_TEXT_CHARS = 3800
"""Browsers keep no cookie of more than 4096 bytes, its name and attributes included."""

_Value = TypeVar("_Value")


class CookieSigner:
    def __init__(self, secret: bytes) -> None:
        """`secret`: `SECRET_BYTES` random bytes, the same in every process that is to read what another has signed."""
        self._secret = secret

    def sign(self, purpose: str, value: msgspec.Struct) -> str:
        """Return base64url(JSON), a full stop, and base64url(HMAC-SHA-256). Raises ValueError where a cookie cannot hold it."""
        payload = _encoded(msgspec.json.encode(value))
        text = f"{payload}.{_encoded(self._mac(purpose, payload))}"
        if len(text) > MAX_TEXT_CHARS:
            raise ValueError("the value is too long for a cookie")
        return text

    def read(self, purpose: str, text: str, type: type[_Value]) -> _Value | None:
        """Return the value; None for any text that `sign` did not return for this purpose."""
        payload, _, signature = text.partition(".")
        if len(text) > MAX_TEXT_CHARS or not hmac.compare_digest(
            signature.encode("latin-1", "replace"), _encoded(self._mac(purpose, payload)).encode()
        ):
            return None
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=type)
        except (ValueError, binascii.Error):
            return None

    def reference(self, digest: bytes) -> str:
        """Return a text that stands for the key of this digest, and from which nothing about the key can be found."""
        return _encoded(self._mac("key", digest.hex()))

    def _mac(self, purpose: str, payload: str) -> bytes:
        return hmac.new(self._secret, f"{purpose}\0{payload}".encode("utf-8", "replace"), hashlib.sha256).digest()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
