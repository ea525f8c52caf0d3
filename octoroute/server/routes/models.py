"""The model routes: the endpoints with their state, and the model lists of OpenAI and Anthropic. Answered from memory."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.dialects.local_routes import ModelCard
from octoroute.domain.endpoint import CircuitState
from octoroute.errors import UnknownModel
from octoroute.gateway.model_names import ALIASES
from octoroute.runtime.assembly import Runtime
from octoroute.server.client_dialect import inbound_of
from octoroute.server.guard import principal_of
from octoroute.server.routes.json_response import json_response
from octoroute.server.routes.local import CONFIGURED, may_ask, model_cards, visible_settings


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
        for endpoint in visible_settings(self._gateway, principal_of(request)).endpoints:
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
        """In the format of the client, which its headers tell."""
        models = inbound_of(self._runtime.inbound, request.url.path, request.headers).models
        aliases = tuple(ALIASES) if self._runtime.config.routing.claude_aliases else ()
        return json_response(
            models.listing(list(model_cards(self._gateway, principal_of(request)).values()), aliases, request.query_params), request
        )

    def _is_alias(self, name: str, request: Request) -> bool:
        alias = self._gateway.resolver.alias(name, self._gateway.settings)
        return alias is not None and may_ask(name, visible_settings(self._gateway, principal_of(request)), self._gateway.settings)

    async def model(self, request: Request) -> Response:
        name = request.path_params["name"]
        cards = model_cards(self._gateway, principal_of(request))
        if name not in cards and name not in ALIASES and not self._is_alias(name, request):
            raise UnknownModel(f"the model {name[:200]!r} does not exist; GET /v1/models lists the models", param="model")
        models = inbound_of(self._runtime.inbound, request.url.path, request.headers).models
        return json_response(models.entry(cards.get(name) or ModelCard(name, CONFIGURED)), request)
