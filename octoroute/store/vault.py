"""Encryption at rest: seals values before they are written, and opens them when they are read.

AES-256-GCM by `cryptography`, the extra `octoroute[encryption]`. A sealed value is bound to its row and column, so that values
cannot be exchanged. Of keys the first one seals and each one opens.

Format: two bytes of mark and version, eight of the key's id, sixteen of salt, twelve of nonce, the ciphertext, sixteen of tag. The
key of a value is derived from the configured key and the salt by HKDF-SHA256 (RFC 5869). A process takes a new salt after 2^30
values, because random nonces are safe for 2^32 values of one key (NIST SP 800-38D, 8.3).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib.util
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from octoroute.store.base import StoreUnavailable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
MAX_VALUES = 1 << 30
"""That are sealed with one salt."""
_MARK = b"\xf5\x01"
"""Begins a sealed value. The first byte is in no UTF-8 text (RFC 3629), and in no packed body."""
_ID_BYTES, _SALT_BYTES, _NONCE_BYTES, _TAG_BYTES = 8, 16, 12, 16
_ID_END = len(_MARK) + _ID_BYTES
_SALT_END = _ID_END + _SALT_BYTES
_HEAD_BYTES = _SALT_END + _NONCE_BYTES
PREFIX_BYTES = _ID_END
_INFO = b"octoroute store, version 1"
_MAX_CIPHERS = 256


class UnopenedValue(StoreUnavailable):
    """A value cannot be read with the keys there are. The text is for operators."""


def has_cryptography() -> bool:
    return importlib.util.find_spec("cryptography") is not None


def new_key() -> str:
    """A key as the configuration has it."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def key_of(text: str) -> bytes | None:
    """The bytes of a key in base64, of either alphabet; None: it is none."""
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def id_of(key: bytes) -> bytes:
    """Tells keys apart, and says nothing of them."""
    return hashlib.sha256(b"octoroute key id" + key).digest()[:_ID_BYTES]


def aes_gcm(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  an extra

    return AESGCM(key)


def derived_key(key: bytes, salt: bytes, info: bytes = _INFO, length: int = KEY_BYTES) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  an extra
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(key)


class Vault:
    """For any number of threads. Without a key nothing is sealed, and what is sealed cannot be opened."""

    def __init__(self, keys: Sequence[bytes] = (), *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._keys = {id_of(key): key for key in keys}
        self._random = random
        self._ciphers: dict[tuple[bytes, bytes], AESGCM] = {}
        """By id of the key and salt."""
        self._lock = threading.Lock()
        self._salt = b""
        self._left = 0
        """Values that may still be sealed with the salt."""
        self.prefix = b"" if not keys else _MARK + id_of(keys[0])
        """Of each value that is sealed now: PREFIX_BYTES long; empty: none is sealed."""

    @property
    def is_on(self) -> bool:
        return bool(self.prefix)

    def seal(self, column: str, row: str, data: bytes) -> bytes:
        if not self.prefix:
            return data
        with self._lock:
            if not self._left:
                self._salt, self._left = self._random(_SALT_BYTES), MAX_VALUES
            self._left -= 1
            salt = self._salt
        nonce = self._random(_NONCE_BYTES)
        cipher = self._cipher(self.prefix[len(_MARK) :], salt)
        return b"".join((self.prefix, salt, nonce, cipher.encrypt(nonce, data, _place(column, row))))

    def open(self, column: str, row: str, data: bytes) -> bytes:
        """Raises UnopenedValue. What is not sealed is returned as it is: it was written before encryption was switched on."""
        if not data.startswith(_MARK):
            return data
        id = data[len(_MARK) : _ID_END]
        if id not in self._keys or len(data) < _HEAD_BYTES + _TAG_BYTES:
            raise UnopenedValue(
                f"{column}: is sealed with the key {id.hex()}, which store.encryption_keys does not have; add it to the end"
            )
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  an extra

        try:
            nonce = data[_SALT_END:_HEAD_BYTES]
            return self._cipher(id, data[_ID_END:_SALT_END]).decrypt(nonce, data[_HEAD_BYTES:], _place(column, row))
        except InvalidTag:
            raise UnopenedValue(f"{column}: the value of {row} was changed, or belongs to another row; it is not used") from None

    def _cipher(self, id: bytes, salt: bytes) -> AESGCM:
        found = self._ciphers.get((id, salt))
        if found is None:
            if len(self._ciphers) >= _MAX_CIPHERS:
                self._ciphers.clear()
            found = self._ciphers[id, salt] = aes_gcm(derived_key(self._keys[id], salt))
        return found


def _place(column: str, row: str) -> bytes:
    """The associated data. Neither part can be taken for the other: the first one's length goes before them."""
    name = column.encode()
    return len(name).to_bytes(2, "big") + name + row.encode(errors="surrogatepass")


NO_VAULT = Vault()
