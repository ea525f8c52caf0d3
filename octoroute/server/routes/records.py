"""The list of requests, the decision record of one, and the scores of many. Roles: access.permissions."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.access.permissions import Permission
from octoroute.errors import BadRequest, NotStored, StorageUnavailable
from octoroute.gateway.decision_record.archive import not_kept
from octoroute.gateway.decision_record.scores import SCORED, scored_requests
from octoroute.gateway.decision_record.view import ROW_COLUMNS, row_view
from octoroute.gateway.decision_record.what_if import SettingsChange
from octoroute.runtime.assembly import Runtime
from octoroute.server.guard import AccessRules, principal_of, read_body, request_id
from octoroute.server.routes.history import check_history, database_errors, wants_csv
from octoroute.server.routes.json_response import json_body, json_response
from octoroute.store.base import Body
from octoroute.store.request_list import as_csv, list_query

MAX_CHANGE_BYTES = 65536
EXAMPLE = '{"thresholds": {"deep": 0.7}, "strategy": "cascade", "quality": 0.5, "unavailable": ["ID"]}'
NEXT_HEADER = "x-octoroute-next"
"""Of a page of CSV: the cursor of the next one."""

MAX_SCORES = 500


class RecordRoutes:
    def __init__(self, runtime: Runtime, rules: AccessRules) -> None:
        self._runtime = runtime
        self._rules = rules

    def routes(self) -> list[Route]:
        return [
            Route("/admin/requests", self.requests, methods=["GET"]),
            Route("/admin/requests/{id}", self.record, methods=["GET"]),
            Route("/admin/requests/{id}/redecide", self.redecide, methods=["POST"]),
            Route("/admin/requests/{id}/body", self.body, methods=["GET"]),
            Route("/admin/scores", self.scores, methods=["GET"]),
        ]

    async def requests(self, request: Request) -> Response:
        parameters = request.query_params.multi_items()
        as_text = wants_csv(request, [value for name, value in parameters if name == "format"])
        query = list_query(((name, value) for name, value in parameters if name != "format"), self._runtime.wall())
        if query.wanted.text is not None:  # what the bodies say is only for the roles that may read them
            self._rules.keys.authorize(principal_of(request), Permission.OPERATE)
        check_history(self._runtime)
        with database_errors():
            page = await self._runtime.history.page(query.wanted, limit=query.limit, before=query.before)
        cursor = None if page.cursor is None else str(page.cursor)
        if as_text:
            text = await run_in_threadpool(lambda: as_csv([row_view(row) for row in page.rows], ROW_COLUMNS))
            headers = {"x-request-id": request_id(request.headers)} | ({} if cursor is None else {NEXT_HEADER: cursor})
            return Response(text, headers=headers, media_type="text/csv")
        body = await run_in_threadpool(
            lambda: msgspec.json.encode({"object": "list", "data": [row_view(row) for row in page.rows], "next": cursor})
        )
        return json_body(body, request)

    async def body(self, request: Request) -> Response:
        """What the client sent and got, as far as it is kept."""
        id = request.path_params["id"]
        check_history(self._runtime)
        with database_errors():
            found = await self._runtime.history.get(id)
        if found is None:
            raise NotStored(not_kept(id))
        if found.body is None:
            raise NotStored(
                f"no body of the request {id[:128]!r} is kept: store.bodies was off, it is of an excluded key, or it is too old"
            )
        if found.body.problem:
            raise StorageUnavailable(found.body.problem)
        body = await run_in_threadpool(body_view, id, found.body)
        return json_response(body, request)

    async def record(self, request: Request) -> Response:
        id = request.path_params["id"]
        check_history(self._runtime)
        with database_errors():
            found = await self._runtime.records.find(id)
        if found is None:
            raise NotStored(not_kept(id))
        return json_response(found, request)

    async def redecide(self, request: Request) -> Response:
        """Sends nothing, and changes nothing."""
        id = request.path_params["id"]
        body = await read_body(request.receive, request.headers, MAX_CHANGE_BYTES)
        try:
            change = msgspec.json.decode(body or b"{}", type=SettingsChange)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"the body must be an object such as {EXAMPLE}: {error}") from None
        check_history(self._runtime)
        with database_errors():
            found = await self._runtime.records.redecide(id, change)
        if found is None:
            raise NotStored(not_kept(id))
        return json_response(found, request)

    async def scores(self, request: Request) -> Response:
        """The scores of the newest requests that a score decided, and the thresholds of the newest one."""
        check_history(self._runtime)
        with database_errors():
            entries = await self._runtime.history.records(SCORED, limit=MAX_SCORES)
        found = await run_in_threadpool(lambda: list(scored_requests(entries)))
        thresholds = found[0][1].basis.thresholds if found else None
        return json_response({"thresholds": thresholds, "requests": [row for row, _ in found]}, request)


def body_view(id: str, body: Body) -> dict[str, Any]:
    """`cut`: there was more on the wire. Bytes that are no UTF-8 are shown as U+FFFD."""
    return {
        "id": id,
        "request": _part(body.request, body.request_size),
        "response": _part(body.response, body.response_size),
    }


def _part(data: bytes, size: int | None) -> dict[str, Any]:
    return {"bytes": len(data) if size is None else size, "cut": size is not None, "text": data.decode(errors="replace")}
