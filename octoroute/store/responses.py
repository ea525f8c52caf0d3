"""Responses that clients store, in a SQL database: shared by worker processes and gateways, and kept over a restart.

While the database is away, responses are stored in the memory of this process, and those stored before are not found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import msgspec
import structlog

from octoroute.domain.stored_response import BoundedResponseStore, StoredResponse, output_ids
from octoroute.errors import StorageUnavailable
from octoroute.store.base import StoreUnavailable
from octoroute.store.connection_pool import ConnectionPool
from octoroute.store.database import Connection, Database, placeholders, transaction
from octoroute.store.erasure import forget_owners
from octoroute.store.schema import BODY_COLUMN, INPUT_COLUMN, response_row
from octoroute.store.vault import UnopenedValue

log = structlog.stdlib.get_logger("octoroute.store")

CLEAN_EVERY = 64
"""Responses stored by this process between two removals of what has expired or is too much."""

_COLUMNS = "id, owner, previous, input, body"
_TURNS = (
    "WITH RECURSIVE turns (id, previous, depth) AS ("
    "SELECT id, previous, 1 FROM responses WHERE owner = ? AND id = ? AND expires_at > ? UNION ALL "
    "SELECT r.id, r.previous, t.depth + 1 FROM turns t JOIN responses r ON r.id = t.previous "
    "WHERE r.owner = ? AND r.expires_at > ? AND t.depth < ?) SELECT id FROM turns ORDER BY depth DESC"
)
_AT_ONCE = 100
"""Rows of one statement."""

_T = TypeVar("_T")


class DurableResponses:
    """A `BoundedResponseStore`."""

    def __init__(self, database: Database, memory: BoundedResponseStore, wall: Callable[[], float]) -> None:
        self._database = database
        self._pool = ConnectionPool(database)
        self._memory = memory
        self._wall = wall
        self._ttl_s = 0.0
        self._max_bytes = 0
        self._stored = 0
        self._complained = False

    def configure(self, *, ttl_s: float, max_bytes: int) -> None:
        """`max_bytes`: of all responses in the database. A shorter time applies to responses that are stored from now on."""
        self._ttl_s, self._max_bytes = ttl_s, max_bytes
        self._memory.configure(ttl_s=ttl_s, max_bytes=max_bytes)

    async def put(self, response: StoredResponse) -> None:
        if self._ttl_s <= 0 or len(response.input) + len(response.body) > self._max_bytes:
            return
        try:
            await self._ask(lambda connection: self._put(connection, response))
        except StoreUnavailable:
            await self._memory.put(response)

    async def get(self, owner: str, id: str) -> StoredResponse | None:
        found = await self._ask_or(lambda connection: self._get(connection, owner, [id]), [])
        return found[0] if found else await self._memory.get(owner, id)

    async def chain(self, owner: str, id: str, limit: int) -> Sequence[StoredResponse]:
        found = await self._ask_or(lambda connection: self._chain(connection, owner, id, limit), [])
        return found or await self._memory.chain(owner, id, limit)

    async def find(self, owner: str, item_id: str) -> StoredResponse | None:
        found = await self._ask_or(lambda connection: self._find(connection, owner, item_id), [])
        return found[0] if found else await self._memory.find(owner, item_id)

    async def delete(self, owner: str, id: str) -> bool:
        """Raises StoreUnavailable: a response that may still be there is not said to be gone."""
        deleted = await self._ask(lambda connection: self._delete(connection, owner, id))
        return await self._memory.delete(owner, id) or deleted

    async def forget(self, owners: Collection[str]) -> int:
        """Raises StoreUnavailable: responses that may still be there are not said to be gone."""
        deleted = await self._ask(lambda connection: forget_owners(self._database, connection, owners))
        return deleted + await self._memory.forget(owners)

    def close(self) -> None:
        self._pool.close()

    async def _ask(self, question: Callable[[Connection], _T]) -> _T:
        try:
            answer = await asyncio.to_thread(self._pool.run, question)
        except UnopenedValue as error:
            log.error("a stored response cannot be read", problem=str(error))  # noqa: TRY400 - its text says it
            raise
        except StoreUnavailable as error:
            if not self._complained:
                self._complained = True
                log.error("store unavailable: responses are stored in memory", problem=str(error))  # noqa: TRY400 - its text says it
            raise
        self._complained = False
        return answer

    async def _ask_or(self, question: Callable[[Connection], _T], default: _T) -> _T:
        try:
            return await self._ask(question)
        except UnopenedValue as error:
            raise StorageUnavailable("the stored response is encrypted with a key that this gateway does not have") from error
        except StoreUnavailable:
            return default

    def _put(self, connection: Connection, response: StoredResponse) -> None:
        owner, id = response.owner, response.id
        items = set(output_ids(response.body))
        with transaction(self._database, connection):
            self._delete_one(connection, owner, id)
            connection.execute(
                f"INSERT INTO responses ({_COLUMNS}, expires_at) VALUES ({placeholders(6)})",
                (id, owner, response.previous, *self._sealed(response), self._wall() + self._ttl_s),
            )
            for item in sorted(items):
                connection.execute(
                    "INSERT INTO response_items (owner, item_id, response_id) VALUES (?, ?, ?) "
                    "ON CONFLICT (owner, item_id) DO UPDATE SET response_id = excluded.response_id",
                    (owner, item, id),
                )
        self._stored += 1
        if self._stored % CLEAN_EVERY == 1:
            self._clean(connection)

    def _sealed(self, response: StoredResponse) -> tuple[bytes, bytes]:
        seal, row = self._database.vault.seal, response_row(response.owner, response.id)
        return seal(INPUT_COLUMN, row, response.input), seal(BODY_COLUMN, row, response.body)

    def _opened(self, response: StoredResponse) -> StoredResponse:
        open_value, row = self._database.vault.open, response_row(response.owner, response.id)
        given, body = open_value(INPUT_COLUMN, row, response.input), open_value(BODY_COLUMN, row, response.body)
        return msgspec.structs.replace(response, input=given, body=body)

    def _get(self, connection: Connection, owner: str, ids: Sequence[str]) -> list[StoredResponse]:
        """Those that have not expired, in the order of `ids`."""
        found: dict[str, StoredResponse] = {}
        for at in range(0, len(ids), _AT_ONCE):
            some = ids[at : at + _AT_ONCE]
            for id, of, previous, given, body in connection.execute(
                f"SELECT {_COLUMNS} FROM responses WHERE owner = ? AND expires_at > ? AND id IN ({placeholders(len(some))})",
                (owner, self._wall(), *some),
            ).fetchall():
                found[id] = self._opened(StoredResponse(id=id, owner=of, previous=previous, input=bytes(given), body=bytes(body)))
        return [found[id] for id in ids if id in found]

    def _chain(self, connection: Connection, owner: str, id: str, limit: int) -> list[StoredResponse]:
        now = self._wall()
        ids = [row[0] for row in connection.execute(_TURNS, (owner, id, now, owner, now, limit)).fetchall()]
        return self._renewed(connection, owner, ids)

    def _find(self, connection: Connection, owner: str, item_id: str) -> list[StoredResponse]:
        row = connection.execute(
            "SELECT response_id FROM response_items WHERE owner = ? AND item_id = ?", (owner, item_id)
        ).fetchone()
        return [] if row is None else self._renewed(connection, owner, [row[0]])

    def _renewed(self, connection: Connection, owner: str, ids: Sequence[str]) -> list[StoredResponse]:
        found = self._get(connection, owner, ids)
        if found:
            with transaction(self._database, connection):
                for response in found:
                    connection.execute(
                        "UPDATE responses SET expires_at = ? WHERE owner = ? AND id = ?",
                        (self._wall() + self._ttl_s, owner, response.id),
                    )
        return found

    def _delete(self, connection: Connection, owner: str, id: str) -> bool:
        known = connection.execute(
            "SELECT 1 FROM responses WHERE owner = ? AND id = ? AND expires_at > ?", (owner, id, self._wall())
        ).fetchone()
        with transaction(self._database, connection):
            self._delete_one(connection, owner, id)
        return known is not None

    def _delete_one(self, connection: Connection, owner: str, id: str) -> None:
        connection.execute("DELETE FROM response_items WHERE owner = ? AND response_id = ?", (owner, id))
        connection.execute("DELETE FROM responses WHERE owner = ? AND id = ?", (owner, id))

    def _clean(self, connection: Connection) -> None:
        """Remove what has expired; then, of the owner with the most bytes, what was not used for the longest time."""
        while expired := connection.execute(
            "SELECT owner, id FROM responses WHERE expires_at <= ? LIMIT ?", (self._wall(), _AT_ONCE)
        ).fetchall():
            self._remove(connection, expired)
        sizes: dict[str, int] = {
            owner: int(size)
            for owner, size in connection.execute(
                "SELECT owner, sum(length(input) + length(body)) FROM responses GROUP BY owner"
            ).fetchall()
        }
        while sum(sizes.values()) > self._max_bytes:
            owner = max(sizes, key=lambda name: sizes[name])
            oldest = connection.execute(
                "SELECT owner, id, length(input) + length(body) FROM responses WHERE owner = ? ORDER BY expires_at LIMIT 10",
                (owner,),
            ).fetchall()
            if not oldest:
                return
            self._remove(connection, [row[:2] for row in oldest])
            sizes[owner] -= sum(row[2] for row in oldest)

    def _remove(self, connection: Connection, some: Sequence[Sequence[str]]) -> None:
        with transaction(self._database, connection):
            for owner, id in some:
                self._delete_one(connection, owner, id)
