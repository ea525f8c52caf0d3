"""The stored responses of the HTTP service: the store, with the limits of the running configuration."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from octoroute.config.schema import Config
from octoroute.domain.stored_response import BoundedResponseStore
from octoroute.gateway.compaction import CompactionResponse, prepare_compaction
from octoroute.gateway.response_store import ConnectionMemory, MemoryResponseStore
from octoroute.gateway.stored_conversations import ResponseRecorder, StoredConversations

CONNECTIONS_MAX_BYTES = 256 * 1024 * 1024
"""Of what the clients of all WebSockets do not want stored. The connection with the most of it loses its oldest turns first."""
CONNECTION_TTL_S = 24 * 3600


class StoredResponses:
    def __init__(
        self,
        config: Config,
        clock: Callable[[], float],
        durable: Callable[[BoundedResponseStore], BoundedResponseStore | None] = lambda _: None,
    ) -> None:
        """`durable` makes the store in the database, given the one in memory; None: there is no database."""
        memory = MemoryResponseStore(ttl_s=0, max_bytes=0, clock=clock)
        in_database = durable(memory)
        self.store: BoundedResponseStore = in_database or memory
        self._is_shared = in_database is not None
        self._unstored = MemoryResponseStore(ttl_s=CONNECTION_TTL_S, max_bytes=CONNECTIONS_MAX_BYTES, clock=clock)
        self._connections = count()
        self.apply(config)

    def apply(self, config: Config) -> None:
        """Also after a reload; what is stored stays, within the new limits."""
        self._max_bytes = config.server.max_request_bytes
        self._hint = (
            "; each worker process of this gateway keeps its own" if config.server.workers > 1 and not self._is_shared else ""
        )
        self.store.configure(ttl_s=config.store.responses_ttl_seconds, max_bytes=config.store.responses_max_bytes)
        self.conversations = StoredConversations(self.store, max_bytes=self._max_bytes, hint=self._hint)

    def memory_of_connection(self) -> ConnectionMemory:
        """For what a client of one connection does not want stored; `forget` it with the connection."""
        return ConnectionMemory(self._unstored, str(next(self._connections)))

    def conversations_of_connection(self, memory: ConnectionMemory) -> StoredConversations:
        return StoredConversations(self.store, memory, own_memory=memory, max_bytes=self._max_bytes, hint=self._hint)

    async def prepare(self, body: bytes, owner: str) -> tuple[bytes, ResponseRecorder | None]:
        resolved = await self.conversations.resolve(body, owner)
        return resolved.body, resolved.recorder

    async def prepare_compaction(self, body: bytes, owner: str) -> tuple[bytes, CompactionResponse | None]:
        return await prepare_compaction(self.conversations, body, owner)
