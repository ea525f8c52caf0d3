"""The routes of batches, in OpenAI's format: make, list, read, and cancel."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.errors import BadRequest, NotStored
from octoroute.server.guard import AccessRules, check_json, principal_of, read_body
from octoroute.server.jobs import ENDPOINTS, Jobs
from octoroute.server.routes.files import PURPOSE, list_object, page_limit
from octoroute.server.routes.json_response import json_response
from octoroute.store.batches import BatchJob, StoredBatch

DEFAULT_PAGE = 20
MAX_PAGE = 100
MAX_BODY_BYTES = 64 * 1024
MAX_METADATA = 16
MAX_METADATA_KEY_CHARS, MAX_METADATA_VALUE_CHARS = 64, 512
MAX_WINDOW_HOURS = 168
_WINDOW = re.compile(r"([1-9][0-9]{0,2})h")
_FIELD = re.compile(r"at `\$\.([a-z_]+)|field `([a-z_]+)`")
"""In an error of the decoder."""
_TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelled")


class BatchBody(msgspec.Struct):
    """What `POST /v1/batches` is sent."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None = None


_BODY = msgspec.json.Decoder(BatchBody)


class BatchRoutes:
    def __init__(self, jobs: Jobs, rules: AccessRules) -> None:
        self._jobs = jobs
        self._rules = rules

    def routes(self) -> list[Route]:
        return [
            Route("/v1/batches", self.create, methods=["POST"]),
            Route("/v1/batches", self.batches, methods=["GET"]),
            Route("/v1/batches/{id}", self.batch, methods=["GET"]),
            Route("/v1/batches/{id}/cancel", self.cancel, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        check_json(request.headers)
        owner = self._rules.keys.owner(request.headers)
        body = read_batch(await read_body(request.receive, request.headers, MAX_BODY_BYTES))
        stores, now = self._jobs.stores, self._jobs.wall()
        file = await stores.files.get(owner, body.input_file_id, now)
        if file is None or file.purpose != PURPOSE:
            what = f"there is no file {body.input_file_id[:100]!r} with the purpose {PURPOSE}"
            raise BadRequest(f"input_file_id: {what}", param="input_file_id")
        key = self._rules.keys.find(request.headers)
        job = BatchJob(
            endpoint=body.endpoint,
            input_file=file.id,
            window=body.completion_window,
            expires_at=now + window_s(body.completion_window),
            metadata=body.metadata,
            principal=principal_of(request),
            issuer="" if key is None else key.granted_by,
        )
        made = await stores.batches.add(owner, job, now)
        self._jobs.notify()
        return json_response(batch_object(made), request)

    async def batches(self, request: Request) -> Response:
        owner, batches = self._rules.keys.owner(request.headers), self._jobs.stores.batches
        limit = page_limit(request.query_params.get("limit"), DEFAULT_PAGE, MAX_PAGE)
        after = None
        if "after" in request.query_params:
            id = request.query_params["after"]
            after = await batches.get(owner, id)
            if after is None:
                raise BadRequest(f"after: there is no batch {id[:100]!r}", param="after")
        found = await batches.page(owner, limit=limit + 1, after=after)
        return json_response(list_object([batch_object(batch) for batch in found], limit), request)

    async def batch(self, request: Request) -> Response:
        return json_response(batch_object(await self._find(request)), request)

    async def cancel(self, request: Request) -> Response:
        batch = await self._find(request)
        if not await self._jobs.stores.batches.cancel(batch.owner, batch.id, self._jobs.wall()):
            now = (await self._find(request)).status
            if now != "cancelling":
                raise BadRequest(f"a batch with the status {now} cannot be cancelled")
        self._jobs.notify()
        return json_response(batch_object(await self._find(request)), request)

    async def _find(self, request: Request) -> StoredBatch:
        id: str = request.path_params["id"]
        found = await self._jobs.stores.batches.get(self._rules.keys.owner(request.headers), id)
        if found is None:
            raise NotStored(f"there is no batch {id[:100]!r}")
        return found


def read_batch(body: bytes) -> BatchBody:
    """Raises BadRequest, naming the field."""
    try:
        read = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        field = _FIELD.search(str(error))
        name = field and (field[1] or field[2])
        raise BadRequest(
            f"{name}: is missing, or not of the right type" if name else "the body is no JSON object", param=name
        ) from None
    if read.endpoint not in ENDPOINTS:
        raise BadRequest(f"endpoint: must be one of {', '.join(ENDPOINTS)}", param="endpoint")
    window_s(read.completion_window)
    _check_metadata(read.metadata or {})
    return read


def window_s(text: str) -> float:
    """Raises BadRequest."""
    found = _WINDOW.fullmatch(text)
    if found is None or int(found[1]) > MAX_WINDOW_HOURS:
        raise BadRequest(
            f"completion_window: must be 24h, or another number of hours up to {MAX_WINDOW_HOURS}", param="completion_window"
        )
    return int(found[1]) * 3600.0


def _check_metadata(metadata: dict[str, str]) -> None:
    long = any(len(key) > MAX_METADATA_KEY_CHARS or len(value) > MAX_METADATA_VALUE_CHARS for key, value in metadata.items())
    if len(metadata) > MAX_METADATA or long:
        raise BadRequest(
            f"metadata: must have at most {MAX_METADATA} entries, with names of up to {MAX_METADATA_KEY_CHARS} characters and "
            f"values of up to {MAX_METADATA_VALUE_CHARS}",
            param="metadata",
        )


def batch_object(batch: StoredBatch) -> dict[str, Any]:
    job, progress = batch.job, batch.progress
    errors = [msgspec.to_builtins(error) for error in progress.errors]
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": job.endpoint,
        "errors": {"object": "list", "data": errors} if errors else None,
        "input_file_id": job.input_file,
        "completion_window": job.window,
        "status": batch.status,
        "output_file_id": progress.output_file,
        "error_file_id": progress.error_file,
        "created_at": int(batch.created_at),
        "expires_at": int(job.expires_at),
        **{f"{name}_at": None if (at := progress.times.get(f"{name}_at")) is None else int(at) for name in _TIMES},
        "cancelling_at": None if batch.cancelling_at is None else int(batch.cancelling_at),
        "request_counts": {"total": progress.total, "completed": progress.completed, "failed": progress.failed},
        "metadata": job.metadata,
    }
