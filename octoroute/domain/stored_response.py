"""A response that a client stores, and what a store of them must provide."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a conversation in OpenAI's Responses format. A conversation is a chain of turns."""

    id: str
    """As the client got it. Unique among the responses of its owner."""
    owner: str
    """Stands for the key that made it; "" where keys are not used. No other key can see the response."""
    previous: str | None
    """The id of the turn before this one; None: there is none."""
    input: bytes
    """The items that this turn added, a JSON array. Those of earlier turns are in their own records."""
    body: bytes
    """The response object, as the client got it when it was complete. Its `output` is what the model added."""


class _ItemId(msgspec.Struct):
    id: str | None = None


class _OutputIds(msgspec.Struct):
    output: list[_ItemId] = []


_OUTPUT = msgspec.json.Decoder(_OutputIds)


def output_ids(body: bytes) -> list[str]:
    """The ids of the items in a response's `output`."""
    return [item.id for item in _OUTPUT.decode(body).output if item.id]


class ResponseStore(Protocol):
    """Keeps responses within bounds of its own: of bytes, and of time since a response was made or last continued.

    A response of another owner does not exist. Nothing here raises for an unknown id.
    """

    async def put(self, response: StoredResponse) -> None:
        """Store; replaces a response of the same owner and id. One that exceeds the bounds by itself is not stored."""
        ...

    async def get(self, owner: str, id: str) -> StoredResponse | None: ...

    async def chain(self, owner: str, id: str, limit: int) -> Sequence[StoredResponse]:
        """The response and those before it, oldest first, as far back as they are here; their time begins anew.

        Empty if the response is not here. At most `limit` responses, the newest of the chain.
        """
        ...

    async def find(self, owner: str, item_id: str) -> StoredResponse | None:
        """The response in whose `output` an item has this id. Its time begins anew."""
        ...

    async def delete(self, owner: str, id: str) -> bool:
        """Whether there was such a response."""
        ...


class BoundedResponseStore(ResponseStore, Protocol):
    """A store whose bounds follow the configuration."""

    def configure(self, *, ttl_s: float, max_bytes: int) -> None:
        """0: nothing is stored."""
        ...

    async def forget(self, owners: Collection[str]) -> int:
        """Delete everything of these owners; how many responses there were."""
        ...
