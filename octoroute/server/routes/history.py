"""Statistics and analysis of the history, for operators and the dashboard. Roles: access.permissions."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from octoroute.errors import BadRequest, NotStored, StorageUnavailable
from octoroute.runtime.assembly import Runtime
from octoroute.server.guard import request_id
from octoroute.server.routes.json_response import json_body, json_response
from octoroute.store.analysis import analyse, analysis_query, analysis_tree
from octoroute.store.base import StoreUnavailable
from octoroute.store.statistics import as_csv, as_tree, statistics, stats_query


async def history_statistics(runtime: Runtime, request: Request) -> Response:
    """Answer `GET /admin/stats` with parameters. Raises BadRequest, NotStored, or StorageUnavailable if the database is away."""
    parameters = request.query_params.multi_items()
    as_text = wants_csv(request, [value for name, value in parameters if name == "format"])
    query = stats_query(((name, value) for name, value in parameters if name != "format"), runtime.wall())
    check_history(runtime)
    with database_errors():
        found = await statistics(runtime.history, query)
    if as_text:
        text = await run_in_threadpool(as_csv, found)
        return Response(text, headers={"x-request-id": request_id(request.headers)}, media_type="text/csv")
    return json_body(await run_in_threadpool(lambda: msgspec.json.encode(as_tree(found))), request)


async def history_analysis(runtime: Runtime, request: Request) -> Response:
    """Answer `GET /admin/analysis`. Raises as `history_statistics`."""
    query = analysis_query(request.query_params.multi_items(), runtime.wall())
    check_history(runtime)
    endpoints = (*runtime.config.endpoints, *runtime.config.other_endpoints)
    with database_errors():
        found = await analyse(runtime.history, query, endpoints)
    return json_response(analysis_tree(found), request)


def wants_csv(request: Request, formats: list[str]) -> bool:
    """`formats`: the values of the parameter `format`. Raises BadRequest."""
    if not formats:
        return request.headers.get("accept", "").startswith("text/csv")
    if formats[-1] not in {"json", "csv"}:
        raise BadRequest("format must be json or csv", param="format")
    return formats[-1] == "csv"


def check_history(runtime: Runtime) -> None:
    """Raises NotStored if the history is off."""
    if runtime.persistence.is_off:
        raise NotStored("the history is off; set store.url to a place for it and start the gateway again")


@contextmanager
def database_errors() -> Generator[None]:
    """Turn a database that is away into a 503."""
    try:
        yield
    except StoreUnavailable as error:
        raise StorageUnavailable(f"the history cannot be read now: {error}") from error
