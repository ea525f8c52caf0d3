"""The routes of files, in OpenAI's format: upload, list, read, and delete. A file is never in memory as a whole."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from octoroute.dialects.request.multipart import boundary_of
from octoroute.errors import BadRequest, NotStored, TooLarge, WrongMediaType
from octoroute.server.downstream import ClientGone
from octoroute.server.form_stream import FormStream, PartBegin, PartData
from octoroute.server.guard import AccessRules, request_id
from octoroute.server.jobs import Jobs
from octoroute.server.routes.json_response import json_response
from octoroute.store.files import PIECE_BYTES, StoredFile

PURPOSE = "batch"
"""The only one that a client may upload for."""
DEFAULT_PAGE = MAX_PAGE = 10_000
MAX_FIELD_BYTES = 4096
MAX_FILENAME_CHARS = 256
_EXPIRY_SECONDS = range(3600, 2592001)
_ANCHOR, _SECONDS = "expires_after[anchor]", "expires_after[seconds]"


class FileRoutes:
    def __init__(self, jobs: Jobs, rules: AccessRules) -> None:
        self._jobs = jobs
        self._rules = rules

    def routes(self) -> list[Route]:
        return [
            Route("/v1/files", self.upload, methods=["POST"]),
            Route("/v1/files", self.files, methods=["GET"]),
            Route("/v1/files/{id}", self.file, methods=["GET"]),
            Route("/v1/files/{id}", self.delete, methods=["DELETE"]),
            Route("/v1/files/{id}/content", self.content, methods=["GET"]),
        ]

    async def upload(self, request: Request) -> Response:
        owner, files = self._rules.keys.owner(request.headers), self._jobs.stores.files
        boundary = boundary_of(request.headers.get("content-type", ""))
        if boundary is None:
            raise WrongMediaType("a file is sent as multipart/form-data, with the fields file and purpose")
        limits = self._jobs.config().batches
        room = min(limits.max_file_bytes, limits.max_stored_bytes - await files.used_bytes(owner))
        upload = _Upload(self._jobs, owner, room)
        try:
            form = FormStream(boundary)
            async for piece in request.stream():
                for event in form.feed(piece):
                    await upload.take(event)
            form.check_complete()
            stored = await upload.finish()
        except BaseException as error:
            await upload.discard()
            if isinstance(error, ClientDisconnect):
                raise ClientGone from error
            raise
        return json_response(file_object(stored), request)

    async def files(self, request: Request) -> Response:
        owner, files = self._rules.keys.owner(request.headers), self._jobs.stores.files
        query = request.query_params
        limit = page_limit(query.get("limit"), DEFAULT_PAGE, MAX_PAGE)
        order = query.get("order", "desc")
        if order not in {"asc", "desc"}:
            raise BadRequest("order: must be asc or desc", param="order")
        after = None
        if "after" in query:
            after = await files.get(owner, query["after"], self._jobs.wall())
            if after is None:
                raise BadRequest(f"after: there is no file {query['after'][:100]!r}", param="after")
        found = await files.page(
            owner, self._jobs.wall(), limit=limit + 1, after=after, purpose=query.get("purpose", ""), ascending=order == "asc"
        )
        return json_response(list_object([file_object(file) for file in found], limit), request)

    async def file(self, request: Request) -> Response:
        return json_response(file_object(await self._find(request)), request)

    async def content(self, request: Request) -> Response:
        stored = await self._find(request)
        pieces = self._jobs.stores.files.pieces(stored.id)
        first = await anext(pieces, b"")  # what cannot be read is an error before the response begins
        headers = {"x-request-id": request_id(request.headers), "content-length": str(stored.size)}
        return StreamingResponse(_after(first, pieces), headers=headers, media_type="application/octet-stream")

    async def delete(self, request: Request) -> Response:
        stored = await self._find(request)
        user = await self._jobs.stores.batches.uses(stored.id, stored.owner)
        if user is not None:
            raise BadRequest(f"the file is the input of the batch {user!r}, which is not over; cancel that first")
        await self._jobs.stores.files.delete(stored.owner, stored.id)
        return json_response({"id": stored.id, "object": "file", "deleted": True}, request)

    async def _find(self, request: Request) -> StoredFile:
        id: str = request.path_params["id"]
        found = await self._jobs.stores.files.get(self._rules.keys.owner(request.headers), id, self._jobs.wall())
        if found is None:
            raise NotStored(f"there is no file {id[:100]!r}")
        return found


class _Upload:
    """The fields of one form, and its file on the way into the store."""

    def __init__(self, jobs: Jobs, owner: str, room: int) -> None:
        """`room`: bytes that the file may have."""
        self._jobs = jobs
        self._owner = owner
        self._room = room
        self._fields: dict[str, bytearray] = {}
        self._current: bytearray | None = None
        """The field of the present part; None: it is the file."""
        self._file: StoredFile | None = None
        self._rest = bytearray()
        self._pieces = 0
        self._size = 0

    async def take(self, event: PartBegin | PartData) -> None:
        if isinstance(event, PartBegin):
            await self._begin(event)
        elif self._current is not None:
            self._current += event.data
            if len(self._current) > MAX_FIELD_BYTES:
                raise BadRequest(f"a field of the form has more than {MAX_FIELD_BYTES} bytes")
        else:
            self._size += len(event.data)
            if self._size > self._room:
                raise TooLarge(
                    f"file: there is room for {max(self._room, 0)} bytes; batches.max_file_bytes limits a file, and "
                    "batches.max_stored_bytes all files of a key: delete some",
                    param="file",
                )
            self._rest += event.data
            while len(self._rest) >= PIECE_BYTES:
                await self._write(PIECE_BYTES)

    async def _begin(self, part: PartBegin) -> None:
        if part.name != "file":
            if part.name in self._fields:
                raise BadRequest(f"{part.name[:64]}: is given twice; send it once", param=part.name[:64])
            self._current = self._fields[part.name] = bytearray()
            return
        if part.filename is None:
            raise BadRequest("file: must be a file, with a filename", param="file")
        if self._file is not None:
            raise BadRequest("file: is given twice; send it once", param="file")
        name = re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]", "_", part.filename)[:MAX_FILENAME_CHARS] or "file"
        self._current = None
        self._file = await self._jobs.stores.files.begin(self._owner, PURPOSE, name, self._jobs.wall())

    async def _write(self, size: int) -> None:
        assert self._file is not None
        await self._jobs.stores.files.append(self._file, self._pieces, bytes(self._rest[:size]))
        del self._rest[:size]
        self._pieces += 1

    async def finish(self) -> StoredFile:
        if self._file is None:
            raise BadRequest("file: is missing", param="file")
        purpose = self._field("purpose")
        if purpose != PURPOSE:
            raise BadRequest(f"purpose: must be {PURPOSE}, the only one that this gateway has a use for", param="purpose")
        if not self._size:
            raise BadRequest("file: is empty", param="file")
        if self._rest:
            await self._write(len(self._rest))
        expires_at = self._expiry(self._file.created_at)
        return await self._jobs.stores.files.finish(self._file, self._size, expires_at)

    def _expiry(self, created_at: float) -> float | None:
        anchor, seconds = self._field(_ANCHOR), self._field(_SECONDS)
        if not anchor and not seconds:
            return None
        if anchor != "created_at":
            raise BadRequest(f"{_ANCHOR}: must be created_at", param=_ANCHOR)
        if not seconds.isascii() or not seconds.isdecimal() or len(seconds) > 9 or int(seconds) not in _EXPIRY_SECONDS:
            raise BadRequest(f"{_SECONDS}: must be from {_EXPIRY_SECONDS[0]} to {_EXPIRY_SECONDS[-1]}", param=_SECONDS)
        return created_at + int(seconds)

    def _field(self, name: str) -> str:
        return bytes(self._fields.get(name, b"")).decode("utf-8", "replace").strip()

    async def discard(self) -> None:
        if self._file is not None:
            await self._jobs.stores.files.delete(self._owner, self._file.id)


async def _after(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


def file_object(file: StoredFile) -> dict[str, Any]:
    expiry = {} if file.expires_at is None else {"expires_at": int(file.expires_at)}
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size,
        "created_at": int(file.created_at),
        **expiry,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def list_object(found: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """`found`: one more than `limit`, if there are more."""
    shown = found[:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(found) > limit,
    }


def page_limit(text: str | None, default: int, most: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise BadRequest(f"limit: must be from 1 to {most}", param="limit")
    return int(text)
