"""Files and batches of the HTTP service: the stores, the work in the background, and the requests that batches make for clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from octoroute.access.key_registry import KeyRegistry
from octoroute.access.permissions import Permission
from octoroute.config.job_rules import hours_of
from octoroute.config.schema import Config
from octoroute.domain.principal import Principal
from octoroute.errors import BadRequest, OctorouteError, Unauthorized
from octoroute.gateway.batch_lines import BatchLine, LineAnswer, request_id
from octoroute.runtime.batch_runner import BatchRunner
from octoroute.runtime.line_gate import BatchSettings, LineGate
from octoroute.server.stored_responses import StoredResponses
from octoroute.store.batches import BatchStore, StoredBatch
from octoroute.store.database import Database
from octoroute.store.files import FileStore
from octoroute.store.job_pool import JobPool

ENDPOINTS = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions", "/v1/moderations")
"""What the lines of a batch may ask."""


class LineEndpoint(Protocol):
    """The inference route of one path."""

    async def answer_line(
        self, body: bytes, *, request_id: str, principal: Principal | None, owner: str
    ) -> tuple[int, bytes, float | None]: ...

    def error_body(self, error: OctorouteError, request_id: str) -> tuple[int, bytes]: ...


class Stores(NamedTuple):
    files: FileStore
    batches: BatchStore


class Jobs:
    def __init__(
        self,
        database: Database | None,
        endpoints: Mapping[str, LineEndpoint],
        *,
        keys: Callable[[], KeyRegistry],
        config: Callable[[], Config],
        is_busy: Callable[[], bool],
        wall: Callable[[], float],
    ) -> None:
        """`database`: None: there is none, and no file is taken. `keys` and `config` return what is valid now."""
        self.wall = wall
        self.config = config
        self._keys = keys
        self._endpoints = endpoints
        self._pool = None if database is None else JobPool(database)
        self._stores: Stores | None = None
        self.runner: BatchRunner | None = None
        if self._pool is not None:
            self._stores = Stores(FileStore(self._pool), BatchStore(self._pool))
            gate = LineGate(lambda: settings_of(config()), is_busy, wall)
            self.runner = BatchRunner(*self._stores, gate=gate, answer=self.answer, wall=wall)

    @property
    def stores(self) -> Stores:
        """Raises BadRequest if there is no database."""
        if self._stores is None:
            raise BadRequest("this gateway keeps no files and batches: they need a database; set store.url and start it again")
        return self._stores

    def notify(self) -> None:
        if self.runner is not None:
            self.runner.notify()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()

    async def answer(self, batch: StoredBatch, line: BatchLine) -> LineAnswer:
        endpoint, id = self._endpoints[batch.job.endpoint], request_id(batch.id, line.number)
        try:
            principal = current_principal(self._keys(), batch)
        except OctorouteError as error:
            status, body = endpoint.error_body(error, id)
            return LineAnswer(status=status, body=body)
        status, body, retry_after_s = await endpoint.answer_line(line.body, request_id=id, principal=principal, owner=batch.owner)
        return LineAnswer(status=status, body=body, retry_after_s=retry_after_s)


class ClientData(NamedTuple):
    """What clients store."""

    responses: StoredResponses
    jobs: Jobs


def current_principal(keys: KeyRegistry, batch: StoredBatch) -> Principal | None:
    """The batch's client, with what it may do now. Raises Unauthorized if its key is gone, and Forbidden if it may not ask."""
    made_by = batch.job.principal
    if made_by is None:
        if keys.is_required:
            raise Unauthorized("the batch was made without an API key, and keys are required now")
        return None
    if batch.job.issuer:
        if not keys.has_issuer(batch.job.issuer):
            raise Unauthorized("tokens of the issuer that the batch was made with are not accepted any more")
        return made_by
    principal = keys.principal_of(made_by.name, batch.owner)
    if principal is None:
        raise Unauthorized(f"the API key {made_by.name!r} that the batch was made with is not valid any more")
    keys.authorize(principal, Permission.ASK)
    return principal


def settings_of(config: Config) -> BatchSettings:
    batches = config.batches
    return BatchSettings(
        concurrency=batches.concurrency,
        hours=hours_of(batches.hours),
        max_line_bytes=config.server.max_request_bytes,
        retention_s=batches.retention_days * 86400.0,
    )
