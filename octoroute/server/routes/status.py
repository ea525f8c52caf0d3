"""The routes that answer from memory: models, health, metrics, and the explanation of a decision. Starlette."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.dialects.base import Inbound
from octoroute.domain.endpoint import CircuitState
from octoroute.domain.request import Request as Question
from octoroute.domain.version import __version__
from octoroute.errors import BadRequest, OctorouteError, UnknownModel, UnknownRoute, WrongMethod
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
from octoroute.telemetry.exposition import Scraper
from octoroute.telemetry.metrics import Metrics

OWN_MODELS = ("auto", "fast", "balanced", "deep")


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
                Route("/v1/messages/count_tokens", self.count, methods=["POST"]),
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
        names = self._names()
        if "anthropic-version" not in request.headers:
            return json_response({"object": "list", "data": [_model(name) for name in names]}, request)
        page, more = paged([*self._app.aliases, *names], request.query_params)
        data = [_anthropic_model(name) for name in page]
        ends = {"first_id": page[0] if page else None, "last_id": page[-1] if page else None}
        return json_response({"data": data, "has_more": more, **ends}, request)

    async def model(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._names() and name not in ALIASES:
            raise UnknownModel(f"the model {name[:200]!r} does not exist; GET /v1/models lists those that do", param="model")
        return json_response(_anthropic_model(name) if "anthropic-version" in request.headers else _model(name), request)

    def _names(self) -> list[str]:
        return list(dict.fromkeys([*OWN_MODELS, *self._app.gateway.resolver.names(self._app.gateway.settings)]))

    async def route(self, request: Request) -> Response:
        question = await self._read(request, "openai")
        return json_response(tell(await explain(self._app.gateway, self._app.dry_router, question)), request)

    async def count(self, request: Request) -> Response:
        counted = await self._app.token_counter.count(await self._read(request, "anthropic"), self._app.dry_router)
        response = json_response({"input_tokens": counted.tokens}, request)
        response.headers["x-octoroute-token-count"] = counted.how
        return response

    async def _read(self, request: Request, dialect: str) -> Question:
        check_json(request.headers)
        body = await read_body(request.receive, request.headers, self._app.max_request_bytes)
        return self._app.inbound[dialect].read(
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
        return _ErrorResponse(error, _writer(self._app, request.scope, request.headers), request_id(request.headers))

    async def _gone(self, request: Request, error: Exception) -> Response:  # noqa: ARG002 - a handler's signature
        return Response(status_code=499)


def paged(names: Sequence[str], query: Mapping[str, str]) -> tuple[list[str], bool]:
    """Anthropic's `limit`, `after_id`, `before_id`; and whether more follow. Raises BadRequest."""
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


def _writer(app: AppState, scope: Scope, headers: Mapping[str, str]) -> Inbound:
    """Whose words an error is written in."""
    speaks_anthropic = "anthropic-version" in headers or scope["path"].startswith("/v1/messages")
    return app.inbound["anthropic" if speaks_anthropic else "openai"]


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


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "octoroute" if name in OWN_MODELS else "user"}


def _anthropic_model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}


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
            await send_error(send, error, _writer(self._app, scope, headers), given_id or new_id())
            return
        await self._inner(scope, receive, send)
