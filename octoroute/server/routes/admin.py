"""The admin routes: provider state, enabling and disabling, statistics, and configuration. Roles: access.permissions.

A GET never sends a request to an endpoint, and no response contains a secret.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.access.permissions import ROLES, Permission
from octoroute.balancing.health import HealthRegistry
from octoroute.config.secret_mask import mask
from octoroute.domain.endpoint import Endpoint
from octoroute.errors import BadRequest, ConfigError, UnknownModel, WrongMediaType
from octoroute.gateway.internal_calls import EndpointCheck, InternalCalls
from octoroute.runtime.assembly import Runtime
from octoroute.runtime.reload import Reloader, ReloadResult
from octoroute.server.guard import AccessRules, new_id, principal_of, read_body
from octoroute.server.routes.history import history_analysis, history_statistics
from octoroute.server.routes.json_response import json_response
from octoroute.server.routes.provider_status import (
    endpoint_details,
    group_by_provider,
    overall_status,
    provider_status,
    tier_status,
)

MAX_CONFIG_BYTES = 4 * 1024 * 1024


class AdminRoutes:
    """Everything below /admin."""

    def __init__(self, runtime: Runtime, rules: AccessRules, reloader: Reloader) -> None:
        self._runtime = runtime
        self._rules = rules
        self._reloader = reloader
        self._calls = InternalCalls(lambda: runtime.gateway, new_id)

    def routes(self) -> list[Route]:
        table: tuple[tuple[str, str, Callable[[Request], Awaitable[Response]]], ...] = (
            ("GET", "/admin/providers", self.providers),
            ("POST", "/admin/providers/{name}/test", self.test_provider),
            ("POST", "/admin/providers/{name}/enable", self.set_provider(enabled=True)),
            ("POST", "/admin/providers/{name}/disable", self.set_provider(enabled=False)),
            ("POST", "/admin/endpoints/{name:path}/test", self.test_endpoint),
            ("POST", "/admin/endpoints/{name:path}/enable", self.set_endpoint(enabled=True)),
            ("POST", "/admin/endpoints/{name:path}/disable", self.set_endpoint(enabled=False)),
            ("GET", "/admin/stats", self.stats),
            ("POST", "/admin/stats/reset", self.reset_stats),
            ("GET", "/admin/analysis", self.analysis),
            ("POST", "/admin/config/reload", self.reload),
            ("POST", "/admin/config/check", self.check),
        )
        routes = [Route(path, view, methods=[method]) for method, path, view in table]
        return [*routes, Route("/admin/config", self.configuration, methods=["GET", "PUT"])]

    # state

    async def providers(self, request: Request) -> Response:
        body = {
            "status": overall_status(tier_status(self._endpoints(), self._health())),
            "timestamp": self._runtime.wall(),
            "changes_since": self._health().changes.since,
            "client_api_key_validation": "enabled" if self._rules.keys.is_required else "disabled",
            "providers": {name: self._provider(name) for name in group_by_provider(self._endpoints())},
        }
        return json_response(body, request)

    def _provider(self, name: str) -> dict[str, Any]:
        endpoints = group_by_provider(self._endpoints())[name]
        return {
            **provider_status(endpoints, self._health(), self._runtime.config.priorities.get(name)),
            "enabled": self._runtime.admin_state.provider_enabled(name),
            "models": list(dict.fromkeys(endpoint.name for endpoint in endpoints)),
            "endpoints": [self._endpoint(endpoint) for endpoint in endpoints],
        }

    def _endpoint(self, endpoint: Endpoint) -> dict[str, Any]:
        return {
            **endpoint_details(endpoint, self._health()),
            "enabled": self._runtime.admin_state.endpoint_enabled(endpoint),
            "circuit_changes": self._health().changes.of(endpoint),
        }

    async def test_provider(self, request: Request) -> Response:
        return await self._test(self._of_provider(request), request)

    async def test_endpoint(self, request: Request) -> Response:
        return await self._test([self._of_endpoint(request)], request)

    async def _test(self, endpoints: list[Endpoint], request: Request) -> Response:
        checks = await self._calls.check_until_answered(endpoints)
        last = checks[-1]
        body: dict[str, Any] = {
            "status": "success" if last.error is None else "failed",
            "provider": last.endpoint.provider,
            "endpoint": last.endpoint.id,
            "model": last.endpoint.model,
            "tier": last.endpoint.tier,
            "latency_ms": round(last.took_s * 1000, 2),
            "attempts": [_attempt(check) for check in checks],
        }
        if last.error is None:
            return json_response(body, request)
        body["error"] = {"message": last.error.message, "type": last.error.kind, "param": None, "code": last.error.code}
        body["suggestions"] = [_SUGGESTIONS.get(last.error.code, "search the gateway's log for the id of the endpoint")]
        return json_response(body, request, status=503)

    # enabling and disabling

    def set_provider(self, *, enabled: bool) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            self._check_alone()
            endpoints = self._of_provider(request)
            name = endpoints[0].provider
            self._runtime.admin_state.set_provider(name, self._endpoints(), on=enabled)
            return json_response({"provider": name, **self._provider(name)}, request)

        return handle

    def set_endpoint(self, *, enabled: bool) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            self._check_alone()
            endpoint = self._of_endpoint(request)
            self._runtime.admin_state.set_endpoint(endpoint.id, self._endpoints(), on=enabled)
            return json_response({"endpoint": endpoint.id, **self._endpoint(endpoint)}, request)

        return handle

    def _check_alone(self) -> None:
        if self._runtime.config.server.workers > 1:
            raise BadRequest(
                "with server.workers > 1 this would change one worker only; set enabled = false in the [providers] table "
                "and POST /admin/config/reload"
            )

    # statistics

    async def stats(self, request: Request) -> Response:
        """Without parameters: of this process, since its start; with some: of the history."""
        if request.url.query:
            return await history_statistics(self._runtime, request)
        return self._statistics(request)

    def _statistics(self, request: Request) -> Response:
        body = {"timestamp": self._runtime.wall(), "worker": os.getpid(), **self._runtime.statistics.snapshot()}
        return json_response(body, request)

    async def analysis(self, request: Request) -> Response:
        return await history_analysis(self._runtime, request)

    async def reset_stats(self, request: Request) -> Response:
        self._runtime.statistics.reset()
        return self._statistics(request)

    # configuration

    async def configuration(self, request: Request) -> Response:
        if request.method == "PUT":
            return await self.replace(request)
        config = self._runtime.config
        body: dict[str, Any] = {"source": config.source, "config": mask(config)}
        if _may_administer(request) and (text := await asyncio.to_thread(self._reloader.masked_text)) is not None:
            body["text"] = text  # its comments are for administrators: they may hold anything
        return json_response(body, request)

    async def replace(self, request: Request) -> Response:
        text = await _text_of(request)
        return await self._change(self._reloader.replace(text, _language(request, text)), request)

    async def check(self, request: Request) -> Response:
        """What PUT /admin/config would say of the body; nothing is changed."""
        text = await _text_of(request)
        try:
            config = await self._reloader.check(text, _language(request, text))
        except ConfigError as error:
            return json_response(_invalid_configuration(error), request, status=400)
        return json_response({"status": "valid", "endpoints": len(config.endpoints), "warnings": list(config.warnings)}, request)

    async def reload(self, request: Request) -> Response:
        return await self._change(self._reloader.reload_all(), request)

    async def _change(self, change: Awaitable[ReloadResult], request: Request) -> Response:
        try:
            result = await change
        except ConfigError as error:
            return json_response(_invalid_configuration(error), request, status=400)
        body: dict[str, Any] = {
            "status": "reloaded",
            "source": result.config.source,
            "endpoints": len(result.config.endpoints),
            "warnings": list(result.config.warnings),
            "needs_restart": list(result.waiting),
        }
        if result.backup is not None:
            body["backup"] = str(result.backup)
        return json_response(body, request)

    # lookup

    def _endpoints(self) -> tuple[Endpoint, ...]:
        return self._runtime.gateway.settings.endpoints

    def _health(self) -> HealthRegistry:
        return self._runtime.gateway.health

    def _of_provider(self, request: Request) -> list[Endpoint]:
        """Return the endpoints of the provider in the path, the smallest models first. Raises UnknownModel."""
        name = request.path_params["name"]
        groups = group_by_provider(self._endpoints())
        if name not in groups:
            raise UnknownModel(f"there is no provider {name[:200]!r}; the providers are: {', '.join(groups)}", param="provider")
        return list(groups[name])

    def _of_endpoint(self, request: Request) -> Endpoint:
        """Return the endpoint in the path. Raises UnknownModel."""
        name = request.path_params["name"]
        for endpoint in self._endpoints():
            if endpoint.id == name:
                return endpoint
        raise UnknownModel(f"there is no endpoint {name[:200]!r}; GET /admin/providers lists them", param="endpoint")


_SUGGESTIONS = {
    "upstream_misconfigured": "check api_key and headers of this endpoint, and the state of the account",
    "upstream_unreachable": "check base_url, and that the server is running and reachable from the gateway",
    "upstream_timeout": "check that the server is not overloaded; [timeouts] sets the limits",
    "upstream_rate_limited": "wait, or add another endpoint for this model",
    "upstream_declined": "check model: the server may have no model of this name",
    "upstream_overloaded": "wait, or add another endpoint for this model",
    "upstream_failed": "check the log of the model server",
}


def _attempt(check: EndpointCheck) -> dict[str, Any]:
    return {
        "endpoint": check.endpoint.id,
        "model": check.endpoint.model,
        "latency_ms": round(check.took_s * 1000, 2),
        "error": check.error.code if check.error else None,
    }


def _may_administer(request: Request) -> bool:
    principal = principal_of(request)
    return principal is not None and Permission.ADMINISTER in ROLES[principal.role]


async def _text_of(request: Request) -> str:
    """The configuration in the body. Raises BadRequest."""
    body = await read_body(request.receive, request.headers, MAX_CONFIG_BYTES)
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8 (byte {error.start + 1}); send it as UTF-8") from None


def _language(request: Request, text: str) -> Literal["toml", "json"]:
    """Return the language of the configuration, by media type or first character. Raises WrongMediaType."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        return "json"
    if media_type in {"application/toml", "text/toml", "text/x-toml", "text/plain"}:
        return "toml"
    if not media_type or media_type in {"application/octet-stream", "application/x-www-form-urlencoded"}:  # curl's default
        return "json" if text.lstrip().startswith("{") else "toml"
    raise WrongMediaType("send the configuration as `content-type: application/toml` or `application/json`")


def _invalid_configuration(error: ConfigError) -> dict[str, Any]:
    return {
        "error": {
            "message": f"the configuration is not valid and nothing was changed: {'; '.join(error.problems)}",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_configuration",
            "problems": list(error.problems),
        }
    }
