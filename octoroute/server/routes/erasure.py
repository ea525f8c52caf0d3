"""The routes that forget a person. Roles: access.permissions; each call is in the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.errors import BadRequest
from octoroute.runtime.assembly import Runtime
from octoroute.runtime.erasure import Person, forget, key_owners
from octoroute.server.guard import AccessRules
from octoroute.server.routes.history import database_errors
from octoroute.server.routes.json_response import json_response
from octoroute.server.stored_responses import StoredResponses


class ErasureRoutes:
    def __init__(self, runtime: Runtime, rules: AccessRules, stored: StoredResponses) -> None:
        self._runtime = runtime
        self._rules = rules
        self._stored = stored

    def routes(self) -> list[Route]:
        return [
            Route("/admin/history/keys/{name:path}", self._forget("key"), methods=["DELETE"]),
            Route("/admin/history/users/{name:path}", self._forget("user"), methods=["DELETE"]),
        ]

    def _forget(self, person: Person) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            name: str = request.path_params["name"]
            if self._runtime.persistence.database is None and self._runtime.config.server.workers > 1:
                raise BadRequest("the history is in the memory of several workers; a restart of the gateway forgets it")
            owners = await self._owners(name) if person == "key" else set[str]()
            with database_errors():
                found = await forget(self._runtime.history, self._stored.store, person, name, owners)
            return json_response({person: name, **msgspec.structs.asdict(found)}, request)

        return handle

    async def _owners(self, name: str) -> set[str]:
        stored = self._rules.stored
        return key_owners(self._runtime.config, name, set() if stored is None else await asyncio.to_thread(stored.owners, name))
