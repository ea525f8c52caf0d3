"""The routes of the operator: how the providers are, switches, statistics, and the configuration. Starlette; an admin key each.

A GET never asks an endpoint anything, and no answer holds a secret.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.balancing.admin_state import AdminState
from octoroute.balancing.health import HealthRegistry
from octoroute.config.schema import Config
from octoroute.config.secret_mask import mask
from octoroute.domain.endpoint import Endpoint
from octoroute.errors import BadRequest, ConfigError, UnknownModel, WrongMediaType
from octoroute.gateway.gateway import Gateway
from octoroute.gateway.internal_calls import EndpointCheck, InternalCalls
from octoroute.runtime.reload import Reloader, ReloadResult
from octoroute.server.guard import ApiKeys, new_id, read_body
from octoroute.server.routes.json_response import json_response
from octoroute.server.routes.provider_status import any_available, endpoint_details, group_by_provider, provider_status
from octoroute.telemetry.stats import Statistics

MAX_CONFIG_BYTES = 4 * 1024 * 1024


class AdminContext(Protocol):
    gateway: Gateway
    keys: ApiKeys
    statistics: Statistics
    admin_state: AdminState
    reloader: Reloader
    wall: Callable[[], float]

    @property
    def config(self) -> Config: ...


class AdminRoutes:
    def __init__(self, app: AdminContext) -> None:
        self._app = app
        self._calls = InternalCalls(lambda: app.gateway, new_id)

    def routes(self) -> list[Route]:
        table: tuple[tuple[str, str, Callable[[Request], Awaitable[Response]]], ...] = (
            ("GET", "/admin/providers", self.providers),
            ("POST", "/admin/providers/{name}/test", self.test_provider),
            ("POST", "/admin/providers/{name}/enable", self.turn_provider(on=True)),
            ("POST", "/admin/providers/{name}/disable", self.turn_provider(on=False)),
            ("POST", "/admin/endpoints/{name:path}/test", self.test_endpoint),
            ("POST", "/admin/endpoints/{name:path}/enable", self.turn_endpoint(on=True)),
            ("POST", "/admin/endpoints/{name:path}/disable", self.turn_endpoint(on=False)),
            ("GET", "/admin/stats", self.stats),
            ("POST", "/admin/stats/reset", self.reset_stats),
            ("POST", "/admin/config/reload", self.reload),
        )
        routes = [Route(path, self._guarded(view), methods=[method]) for method, path, view in table]
        return [*routes, Route("/admin/config", self._guarded(self.configuration), methods=["GET", "PUT"])]

    def _guarded(self, view: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            self._app.keys.check_admin(request.headers)
            return await view(request)

        return checked

    # how they are

    async def providers(self, request: Request) -> Response:
        told = {name: self._provider(name) for name in group_by_provider(self._endpoints())}
        body = {
            "status": "healthy" if any_available(self._endpoints(), self._health()) else "unhealthy",
            "timestamp": self._app.wall(),
            "client_api_key_validation": "enabled" if self._app.config.auth.keys else "disabled",
            "providers": told,
        }
        return json_response(body, request)

    def _provider(self, name: str) -> dict[str, Any]:
        endpoints = group_by_provider(self._endpoints())[name]
        return {
            **provider_status(endpoints, self._health()),
            "enabled": self._app.admin_state.provider_enabled(name),
            "models": list(dict.fromkeys(endpoint.name for endpoint in endpoints)),
            "endpoints": [self._endpoint(endpoint) for endpoint in endpoints],
        }

    def _endpoint(self, endpoint: Endpoint) -> dict[str, Any]:
        return {**endpoint_details(endpoint, self._health()), "enabled": self._app.admin_state.endpoint_enabled(endpoint)}

    async def test_provider(self, request: Request) -> Response:
        return await self._test(self._of_provider(request), request)

    async def test_endpoint(self, request: Request) -> Response:
        return await self._test([self._of_endpoint(request)], request)

    async def _test(self, endpoints: list[Endpoint], request: Request) -> Response:
        tried = await self._calls.check_until_answered(endpoints)
        last = tried[-1]
        body: dict[str, Any] = {
            "status": "success" if last.error is None else "failed",
            "provider": last.endpoint.provider,
            "endpoint": last.endpoint.id,
            "model": last.endpoint.model,
            "tier": last.endpoint.tier,
            "latency_ms": round(last.took_s * 1000, 2),
            "attempts": [_attempt(attempt) for attempt in tried],
        }
        if last.error is None:
            return json_response(body, request)
        body["error"] = {"message": last.error.message, "type": last.error.kind, "param": None, "code": last.error.code}
        body["suggestions"] = [_SUGGESTIONS.get(last.error.code, "look for the endpoint's id in the gateway's log")]
        return json_response(body, request, status=503)

    # switches

    def turn_provider(self, *, on: bool) -> Callable[[Request], Awaitable[Response]]:
        async def turned(request: Request) -> Response:
            self._check_alone()
            endpoints = self._of_provider(request)
            name = endpoints[0].provider
            self._app.admin_state.set_provider(name, self._endpoints(), on=on)
            return json_response({"provider": name, **self._provider(name)}, request)

        return turned

    def turn_endpoint(self, *, on: bool) -> Callable[[Request], Awaitable[Response]]:
        async def turned(request: Request) -> Response:
            self._check_alone()
            endpoint = self._of_endpoint(request)
            self._app.admin_state.set_endpoint(endpoint.id, self._endpoints(), on=on)
            return json_response({"endpoint": endpoint.id, **self._endpoint(endpoint)}, request)

        return turned

    def _check_alone(self) -> None:
        if self._app.config.server.workers > 1:
            raise BadRequest(
                "with server.workers > 1 a switch would reach one worker only; write enabled = false into the [providers] table "
                "and POST /admin/config/reload"
            )

    # statistics

    async def stats(self, request: Request) -> Response:
        told = self._app.statistics.snapshot()
        return json_response({"timestamp": self._app.wall(), "worker": os.getpid(), **told}, request)

    async def reset_stats(self, request: Request) -> Response:
        self._app.statistics.reset()
        return await self.stats(request)

    # the configuration

    async def configuration(self, request: Request) -> Response:
        if request.method == "PUT":
            return await self.replace(request)
        return json_response({"source": self._app.config.source, "config": mask(self._app.config)}, request)

    async def replace(self, request: Request) -> Response:
        body = await read_body(request.receive, request.headers, MAX_CONFIG_BYTES)
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadRequest(f"the body is not UTF-8 (byte {error.start + 1}); send it as UTF-8") from None
        return await self._changed(self._app.reloader.replace(text, _language(request, text)), request)

    async def reload(self, request: Request) -> Response:
        return await self._changed(self._app.reloader.reload_all(), request)

    async def _changed(self, change: Awaitable[ReloadResult], request: Request) -> Response:
        try:
            changed = await change
        except ConfigError as error:
            return json_response(_refusal(error), request, status=400)
        body: dict[str, Any] = {
            "status": "reloaded",
            "source": changed.config.source,
            "endpoints": len(changed.config.endpoints),
            "warnings": list(changed.config.warnings),
            "needs_restart": list(changed.waiting),
        }
        if changed.backup is not None:
            body["backup"] = str(changed.backup)
        return json_response(body, request)

    # who

    def _endpoints(self) -> tuple[Endpoint, ...]:
        return self._app.gateway.settings.endpoints

    def _health(self) -> HealthRegistry:
        return self._app.gateway.health

    def _of_provider(self, request: Request) -> list[Endpoint]:
        """Its endpoints, the smallest models first."""
        name = request.path_params["name"]
        found = group_by_provider(self._endpoints())
        if name not in found:
            known = ", ".join(found)
            raise UnknownModel(f"there is no provider {name[:200]!r}; there are: {known}", param="provider")
        return list(found[name])

    def _of_endpoint(self, request: Request) -> Endpoint:
        name = request.path_params["name"]
        for endpoint in self._endpoints():
            if endpoint.id == name:
                return endpoint
        raise UnknownModel(f"there is no endpoint {name[:200]!r}; GET /admin/providers lists them", param="endpoint")


_SUGGESTIONS = {
    "upstream_misconfigured": "check api_key and headers of this endpoint, and that the account is in order",
    "upstream_unreachable": "check base_url, and that the server runs and can be reached from here",
    "upstream_timeout": "check that the server is not overloaded; [timeouts] sets how long it may take",
    "upstream_rate_limited": "wait, or add another endpoint for this model",
    "upstream_declined": "check model: the server may not have one of this name",
    "upstream_overloaded": "wait, or add another endpoint for this model",
    "upstream_failed": "look into the server's own log",
}


def _attempt(tried: EndpointCheck) -> dict[str, Any]:
    return {
        "endpoint": tried.endpoint.id,
        "model": tried.endpoint.model,
        "latency_ms": round(tried.took_s * 1000, 2),
        "error": tried.error.code if tried.error else None,
    }


def _language(request: Request, text: str) -> Literal["toml", "json"]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        return "json"
    if media_type in {"application/toml", "text/toml", "text/x-toml", "text/plain"}:
        return "toml"
    if not media_type or media_type in {"application/octet-stream", "application/x-www-form-urlencoded"}:  # curl's own idea
        return "json" if text.lstrip().startswith("{") else "toml"
    raise WrongMediaType("send the configuration as `content-type: application/toml` or `application/json`")


def _refusal(error: ConfigError) -> dict[str, Any]:
    return {
        "error": {
            "message": f"the configuration is not valid and nothing was changed: {'; '.join(error.problems)}",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_configuration",
            "problems": list(error.problems),
        }
    }
