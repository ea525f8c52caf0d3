"""The status routes: name and version, health, and metrics. Answered from memory."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.domain.version import __version__
from octoroute.errors import OctorouteError
from octoroute.runtime.assembly import Runtime
from octoroute.server.guard import AccessRules, request_id
from octoroute.server.http1.listener import ListenerState
from octoroute.server.routes.dashboard import DashboardRoutes, wants_page
from octoroute.server.routes.json_response import json_response
from octoroute.server.routes.provider_status import (
    any_available,
    group_by_provider,
    overall_status,
    provider_status,
    tier_status,
)


class StatusRoutes:
    """GET /, /health, and /metrics."""

    def __init__(self, runtime: Runtime, rules: AccessRules, listener: ListenerState, dashboard: DashboardRoutes) -> None:
        self._dashboard = dashboard
        self._runtime = runtime
        self._gateway = runtime.gateway
        self._metrics = runtime.metrics
        self._rules = rules
        self._listener = listener

    def routes(self) -> list[Route]:
        return [
            Route("/", self.index),
            Route("/health", self.health),
            Route("/health/live", self.live),
            Route("/health/ready", self.ready),
            Route("/metrics", self.metrics),
        ]

    async def index(self, request: Request) -> Response:
        """The dashboard for a browser. Some clients look for their server's greeting in the text."""
        if wants_page(request.headers):
            return await self._dashboard.page(request)
        greetings = [inbound.greeting for inbound in self._runtime.inbound.values() if inbound.greeting]
        return json_response({"name": "octoroute", "version": __version__, "greetings": greetings}, request)

    async def live(self, request: Request) -> Response:
        return json_response({"status": "OK"}, request)

    async def ready(self, request: Request) -> Response:
        if self._listener.stopping:
            return json_response({"status": "stopping"}, request, status=503)
        ready = self._is_ready()
        return json_response({"status": "ready" if ready else "unavailable"}, request, status=200 if ready else 503)

    def _is_ready(self) -> bool:
        return any_available(self._gateway.settings.endpoints, self._gateway.health)

    async def health(self, request: Request) -> Response:
        """The state of the gateway; for a client with a valid key, also that of the providers."""
        endpoints, health = self._gateway.settings.endpoints, self._gateway.health
        tiers = tier_status(endpoints, health)
        restarts = int(self._metrics.total("octoroute_background_health_task_failures_total"))
        body: dict[str, Any] = {
            "status": overall_status(tiers),
            "tiers": tiers,
            "timestamp": self._runtime.wall(),
            "version": __version__,
            "health_tracking_status": self._status_of("octoroute_health_tracking_failures_total"),
            "metrics_recording_status": self._status_of("octoroute_metrics_recording_failures_total"),
            "background_task_status": self._status_of("octoroute_background_health_task_failures_total"),
            "background_task_failures": restarts,
            "limits_status": "degraded" if self._runtime.limits_down else "operational",
        }
        if await self._has_valid_key(request):
            body["providers"] = {
                name: provider_status(group, health, self._runtime.config.priorities.get(name))
                for name, group in group_by_provider(endpoints).items()
            }
        return json_response(body, request)

    def _status_of(self, failures_metric: str) -> str:
        return "degraded" if self._metrics.total(failures_metric) else "operational"

    async def _has_valid_key(self, request: Request) -> bool:
        try:
            await self._rules.admit_token(request.headers)
            self._rules.keys.check(request.headers)
        except OctorouteError:
            return False
        return True

    async def metrics(self, request: Request) -> Response:
        text = await self._runtime.scraper.text()
        headers = {"x-request-id": request_id(request.headers)}
        return Response(text, headers=headers, media_type="text/plain; version=0.0.4; charset=utf-8")
