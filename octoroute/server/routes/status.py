"""The routes that answer from memory: models, health, metrics, and the explanation of a decision. Starlette."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute import dialects
from octoroute.dialects.base import Inbound
from octoroute.domain.endpoint import CircuitState
from octoroute.domain.request import Request as Question
from octoroute.domain.version import __version__
from octoroute.errors import OctorouteError, UnknownModel, UnknownRoute, WrongMethod
from octoroute.gateway.explain import explain, tell
from octoroute.gateway.resolver import ALIASES
from octoroute.gateway.token_count import TokenCounter
from octoroute.routing.strategies.base import Router
from octoroute.server.guard import (
    ClientGone,
    Receive,
    Scope,
    Send,
    check_json,
    headers_of,
    new_id,
    read_body,
    request_id,
    send_error,
)
from octoroute.server.routes import admin
from octoroute.server.routes.json_response import json_response
from octoroute.server.routes.provider_status import any_available, group_by_provider, provider_status
from octoroute.telemetry.metrics import Metrics, Scraper

OWN_MODELS = ("auto", "fast", "balanced", "deep")
CONFIGURED = "user"
"""The owner of models that the configuration names."""


class AppState(admin.AdminContext, Protocol):
    """What the views look at: the application."""

    metrics: Metrics
    scraper: Scraper
    inbound: Mapping[str, Inbound]
    max_request_bytes: int
    aliases: tuple[str, ...]
    token_counter: TokenCounter

    @property
    def dry_router(self) -> Router: ...


class StatusRoutes:
    def __init__(self, app: AppState) -> None:
        self._app = app

    def app(self) -> Starlette:
        app = Starlette(
            routes=[
                Route("/", self.index),
                Route("/health", self.health),
                Route("/health/live", self.live),
                Route("/health/ready", self.ready),
                Route("/models", self.endpoints),
                Route("/metrics", self.exposition),
                Route("/v1/models", self.models),
                Route("/v1/models/{name:path}", self.model),
                Route("/v1/route", self.route, methods=["POST"]),
                *(
                    Route(inbound.count_path, self.count, methods=["POST"])
                    for inbound in self._app.inbound.values()
                    if inbound.count_path is not None
                ),
                *admin.AdminRoutes(self._app).routes(),
            ],
            exception_handlers={HTTPException: self._http_error, OctorouteError: self._error, ClientGone: self._gone},
        )
        app.router.redirect_slashes = False
        return app

    # who we are and how we are

    async def index(self, request: Request) -> Response:
        return json_response({"name": "octoroute", "version": __version__}, request)

    async def live(self, request: Request) -> Response:
        return json_response({"status": "OK"}, request)

    async def ready(self, request: Request) -> Response:
        able = self._able()
        return json_response({"status": "ready" if able else "unavailable"}, request, status=200 if able else 503)

    def _able(self) -> bool:
        return any_available(self._app.gateway.settings.endpoints, self._app.gateway.health)

    async def health(self, request: Request) -> Response:
        metrics = self._app.metrics
        restarts = int(metrics.total("octoroute_background_health_task_failures_total"))
        body: dict[str, Any] = {
            "status": "OK" if self._able() else "unhealthy",
            "timestamp": self._app.wall(),
            "version": __version__,
            "health_tracking_status": _status(metrics.total("octoroute_health_tracking_failures_total")),
            "metrics_recording_status": _status(metrics.total("octoroute_metrics_recording_failures_total")),
            "background_task_status": _status(restarts),
            "background_task_failures": restarts,
        }
        if self._known(request):
            body["providers"] = self._providers()
        return json_response(body, request)

    def _known(self, request: Request) -> bool:
        try:
            self._app.keys.check(request.headers)
        except OctorouteError:
            return False
        return True

    def _providers(self) -> dict[str, dict[str, Any]]:
        gateway = self._app.gateway
        return {
            name: provider_status(endpoints, gateway.health)
            for name, endpoints in group_by_provider(gateway.settings.endpoints).items()
        }

    async def exposition(self, request: Request) -> Response:
        text = await self._app.scraper.text()
        headers = {"x-request-id": request_id(request.headers)}
        return Response(text, headers=headers, media_type="text/plain; version=0.0.4; charset=utf-8")

    # whom we have

    async def endpoints(self, request: Request) -> Response:
        gateway = self._app.gateway
        rows: list[dict[str, Any]] = []
        for endpoint in gateway.settings.endpoints:
            state = gateway.health.breaker(endpoint)
            circuit = gateway.health.circuit_state(endpoint)
            rows.append(
                {
                    "id": endpoint.id,
                    "name": endpoint.name,
                    "tier": endpoint.tier,
                    "endpoint": endpoint.base_url,
                    "healthy": circuit is CircuitState.CLOSED,
                    "circuit": circuit,
                    "consecutive_failures": state.failures,
                    "last_check_seconds_ago": round(max(0.0, gateway.clock() - state.last_seen), 3),
                    "in_flight": state.in_flight,
                }
            )
        return json_response({"models": rows}, request)

    async def models(self, request: Request) -> Response:
        models = _inbound_of(self._app, request.url.path, request.headers).models
        return json_response(models.listing(self._owners(), self._app.aliases, request.query_params), request)

    async def model(self, request: Request) -> Response:
        name = request.path_params["name"]
        owners = self._owners()
        if name not in owners and name not in ALIASES:
            raise UnknownModel(f"the model {name[:200]!r} does not exist; GET /v1/models lists those that do", param="model")
        models = _inbound_of(self._app, request.url.path, request.headers).models
        return json_response(models.entry(name, owners.get(name, CONFIGURED)), request)

    def _owners(self) -> Mapping[str, str]:
        """By the name of each model that clients may ask for."""
        names = [*OWN_MODELS, *self._app.gateway.resolver.names(self._app.gateway.settings)]
        return {name: "octoroute" if name in OWN_MODELS else CONFIGURED for name in names}

    async def route(self, request: Request) -> Response:
        question = await self._read(request, self._app.inbound[dialects.DEFAULT])
        return json_response(tell(await explain(self._app.gateway, self._app.dry_router, question)), request)

    async def count(self, request: Request) -> Response:
        inbound = _inbound_of(self._app, request.url.path, {})
        counted = await self._app.token_counter.count(await self._read(request, inbound), self._app.dry_router)
        response = json_response({"input_tokens": counted.tokens}, request)
        response.headers["x-octoroute-token-count"] = counted.how
        return response

    async def _read(self, request: Request, inbound: Inbound) -> Question:
        check_json(request.headers)
        body = await read_body(request.receive, request.headers, self._app.max_request_bytes)
        return inbound.read(
            body,
            request_id=request_id(request.headers),
            headers=dict(request.headers),
            key_name=self._app.keys.check(request.headers),
        )

    # what went wrong

    async def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            allow = (error.headers or {}).get("Allow", "")
            return await self._error(request, WrongMethod(f"{request.url.path} takes {allow}, not {request.method}", allow=allow))
        if error.status_code == 404:
            return await self._error(request, UnknownRoute(f"there is no {request.url.path} here; the routes are in docs/api.md"))
        return await self._error(request, OctorouteError(str(error.detail)))

    async def _error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, OctorouteError)
        self._app.metrics.count("octoroute_client_errors_total", error.code)
        return _ErrorResponse(error, _inbound_of(self._app, request.url.path, request.headers), request_id(request.headers))

    async def _gone(self, request: Request, error: Exception) -> Response:  # noqa: ARG002 - a handler's signature
        return Response(status_code=499)


def _inbound_of(app: AppState, path: str, headers: Mapping[str, str]) -> Inbound:
    """The dialect that the client speaks, as its headers tell, or the path."""
    for inbound in app.inbound.values():
        if inbound.version_header is not None and inbound.version_header in headers:
            return inbound
    for inbound in app.inbound.values():
        if path.startswith(inbound.paths):
            return inbound
    return app.inbound[dialects.DEFAULT]


class _ErrorResponse(Response):
    """Writes itself as the answering routes write theirs."""

    def __init__(self, error: OctorouteError, writer: Inbound, given_id: str) -> None:
        super().__init__()
        self._given = (error, writer, given_id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        error, writer, given_id = self._given
        await send_error(send, error, writer, given_id)


def _status(failures: float) -> str:
    return "degraded" if failures else "operational"


class AuthMiddleware:
    """Before the views: how large the headers may be, and who may see anything but health."""

    def __init__(self, inner: Starlette, app: AppState) -> None:
        self._inner = inner
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given_id = ""
        headers: Mapping[str, str] = {}
        try:
            headers = headers_of(scope)
            given_id = request_id(headers)
            if scope["path"] != "/health" and not scope["path"].startswith("/health/"):
                self._app.keys.check(headers)
        except OctorouteError as error:
            self._app.metrics.count("octoroute_client_errors_total", error.code)
            await send_error(send, error, _inbound_of(self._app, scope["path"], headers), given_id or new_id())
            return
        await self._inner(scope, receive, send)
