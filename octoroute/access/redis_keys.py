"""The key store in Redis or Valkey: a hash of keys by id, and a number that counts its changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from octoroute.access.key_store import Edit, KeyStore, KeyStoreError, StoredKey, in_order
from octoroute.errors import ConfigError

KEYS = "{octoroute}:keys"
VERSION = "{octoroute}:keys:version"
TIMEOUT_S = 2.0

_Result = TypeVar("_Result")


class RedisKeyStore(KeyStore):
    name = "redis"

    def __init__(self, url: str) -> None:
        """Connects when it is asked. Raises ConfigError if the extra is not installed."""
        try:
            import redis  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigError(['[shared] url: needs the package redis; run: pip install "octoroute[redis]"']) from None
        self._errors = (redis.RedisError, OSError, msgspec.DecodeError)
        self._client: Any = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - untyped arguments
            url, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S
        )

    def version(self) -> object:
        return self._ask(lambda: self._client.get(VERSION))

    def all_keys(self) -> Sequence[StoredKey]:
        return self._ask(lambda: in_order(self._client.hgetall(KEYS).values()))

    def change(self, edit: Edit) -> None:
        def apply(pipe: Any) -> None:
            changed = edit(in_order(pipe.hgetall(KEYS).values()))
            pipe.multi()
            pipe.hset(KEYS, mapping={key.id: msgspec.json.encode(key) for key in changed})
            pipe.incr(VERSION)

        self._ask(lambda: self._client.transaction(apply, KEYS))

    def close(self) -> None:
        self._client.close()

    def _ask(self, question: Callable[[], _Result]) -> _Result:
        try:
            return question()
        except self._errors as error:
            raise KeyStoreError(f"the key store in Redis cannot be used: {type(error).__name__}: {error}") from None
