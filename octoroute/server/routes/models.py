"""The model routes: the endpoints with their state, and the model lists of OpenAI and Anthropic. Answered from memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.domain.endpoint import CircuitState
from octoroute.errors import BadRequest, UnknownModel
from octoroute.gateway.resolver import ALIASES
from octoroute.runtime.assembly import Runtime
from octoroute.server.routes.json_response import json_response

VIRTUAL_MODELS = ("auto", "fast", "balanced", "deep")
"""Names that stand for routing or a tier instead of one model."""


class ModelRoutes:
    """GET /models and /v1/models."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._gateway = runtime.gateway

    def routes(self) -> list[Route]:
        return [
            Route("/models", self.endpoints),
            Route("/v1/models", self.models),
            Route("/v1/models/{name:path}", self.model),
        ]

    async def endpoints(self, request: Request) -> Response:
        health = self._gateway.health
        rows: list[dict[str, Any]] = []
        for endpoint in self._gateway.settings.endpoints:
            breaker = health.breaker(endpoint)
            circuit = health.circuit_state(endpoint)
            rows.append(
                {
                    "id": endpoint.id,
                    "name": endpoint.name,
                    "tier": endpoint.tier,
                    "endpoint": endpoint.base_url,
                    "healthy": circuit is CircuitState.CLOSED,
                    "circuit": circuit,
                    "consecutive_failures": breaker.failures,
                    "last_check_seconds_ago": round(max(0.0, self._gateway.clock() - breaker.last_seen), 3),
                    "in_flight": breaker.in_flight,
                }
            )
        return json_response({"models": rows}, request)

    async def models(self, request: Request) -> Response:
        """In Anthropic's shape for clients that send `anthropic-version`, otherwise in OpenAI's."""
        names = self._names()
        if "anthropic-version" not in request.headers:
            return json_response({"object": "list", "data": [_openai_model(name) for name in names]}, request)
        aliases = ALIASES if self._runtime.config.routing.claude_aliases else ()
        page, has_more = paged([*aliases, *names], request.query_params)
        body = {
            "data": [_anthropic_model(name) for name in page],
            "has_more": has_more,
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
        }
        return json_response(body, request)

    async def model(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._names() and name not in ALIASES:
            raise UnknownModel(f"the model {name[:200]!r} does not exist; GET /v1/models lists the models", param="model")
        return json_response(_anthropic_model(name) if "anthropic-version" in request.headers else _openai_model(name), request)

    def _names(self) -> list[str]:
        return list(dict.fromkeys([*VIRTUAL_MODELS, *self._gateway.resolver.names(self._gateway.settings)]))


def paged(names: Sequence[str], query: Mapping[str, str]) -> tuple[list[str], bool]:
    """Return the page that Anthropic's `limit`, `after_id`, and `before_id` select, and whether more names follow.

    Raises BadRequest.
    """
    limit_text = query.get("limit", "20")
    if not (limit_text.isascii() and limit_text.isdigit() and 1 <= int(limit_text) <= 1000):
        raise BadRequest("limit: must be a whole number from 1 to 1000", param="limit")
    limit, found = int(limit_text), list(names)
    after, before = query.get("after_id"), query.get("before_id")
    if after in found:
        found = found[found.index(after) + 1 :]
    if before in found:
        found = found[: found.index(before)]
        return found[-limit:], len(found) > limit
    return found[:limit], len(found) > limit


def _openai_model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "octoroute" if name in VIRTUAL_MODELS else "user"}


def _anthropic_model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
