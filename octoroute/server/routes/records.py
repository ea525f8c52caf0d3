"""The list of requests, the decision record of one, and what another setting would have decided. Roles: access.permissions."""

from __future__ import annotations

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.errors import NotStored
from octoroute.gateway.decision_record.archive import not_kept
from octoroute.gateway.decision_record.view import ROW_COLUMNS, row_view
from octoroute.runtime.assembly import Runtime
from octoroute.server.guard import request_id
from octoroute.server.routes.history import check_history, database_errors, wants_csv
from octoroute.server.routes.json_response import json_body, json_response
from octoroute.store.request_list import as_csv, list_query

NEXT_HEADER = "x-octoroute-next"
"""Of a page of CSV: the cursor of the next one."""


class RecordRoutes:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def routes(self) -> list[Route]:
        return [
            Route("/admin/requests", self.requests, methods=["GET"]),
            Route("/admin/requests/{id}", self.record, methods=["GET"]),
        ]

    async def requests(self, request: Request) -> Response:
        parameters = request.query_params.multi_items()
        as_text = wants_csv(request, [value for name, value in parameters if name == "format"])
        query = list_query(((name, value) for name, value in parameters if name != "format"), self._runtime.wall())
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

    async def record(self, request: Request) -> Response:
        id = request.path_params["id"]
        check_history(self._runtime)
        with database_errors():
            found = await self._runtime.records.find(id)
        if found is None:
            raise NotStored(not_kept(id))
        return json_response(found, request)
