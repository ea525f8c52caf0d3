"""The Starlette application: every route except inference, behind the key check, with errors in the client's dialect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.access.permissions import Permission, is_open, required
from octoroute.dialects.base import Inbound
from octoroute.errors import OctorouteError, Unauthorized, UnknownRoute
from octoroute.runtime.assembly import Runtime
from octoroute.runtime.reload import Reloader
from octoroute.server.audit_trail import AuditTrail
from octoroute.server.client_dialect import inbound_of
from octoroute.server.downstream import ClientGone, Receive, Scope, Send
from octoroute.server.guard import (
    PRINCIPAL,
    AccessRules,
    headers_of,
    new_id,
    principal_of,
    request_id,
    send_error,
    target_headers,
    wrong_method,
)
from octoroute.server.http1.listener import ListenerState
from octoroute.server.jobs import ClientData
from octoroute.server.origins import Application
from octoroute.server.paths import PathResolver
from octoroute.server.routes.admin import AdminRoutes
from octoroute.server.routes.batches import BatchRoutes
from octoroute.server.routes.budgets import BudgetRoutes
from octoroute.server.routes.dashboard import DashboardRoutes, to_login, wants_page
from octoroute.server.routes.dashboard_tables import DashboardTables
from octoroute.server.routes.dry_run import DryRunRoutes
from octoroute.server.routes.erasure import ErasureRoutes
from octoroute.server.routes.files import FileRoutes
from octoroute.server.routes.live import LiveRoutes
from octoroute.server.routes.local import LocalRoutes
from octoroute.server.routes.login import LoginRoutes
from octoroute.server.routes.models import ModelRoutes
from octoroute.server.routes.playground import PlaygroundRoutes
from octoroute.server.routes.records import RecordRoutes
from octoroute.server.routes.responses import ResponsesRoutes
from octoroute.server.routes.status import StatusRoutes
from octoroute.telemetry.metrics import Metrics


def starlette_app(
    runtime: Runtime,
    rules: AccessRules,
    reloader: Reloader,
    inference: Collection[str],
    listener: ListenerState,
    kept: ClientData,
    keep_alive_s: float,
) -> AuthMiddleware:
    """`inference`: the paths of the inference routes, which are served elsewhere. `keep_alive_s`: as `inference_routes` has it."""
    dashboard = DashboardRoutes(rules, DashboardTables(runtime))
    routes = [
        *StatusRoutes(runtime, rules, listener, dashboard).routes(),
        *dashboard.routes(),
        *ModelRoutes(runtime).routes(),
        *DryRunRoutes(runtime, rules).routes(),
        *LocalRoutes(runtime, rules).routes(),
        *ResponsesRoutes(runtime, rules, kept.responses).routes(),
        *ErasureRoutes(runtime, rules, kept.responses).routes(),
        *AdminRoutes(runtime, rules, reloader).routes(),
        *RecordRoutes(runtime, rules).routes(),
        *BudgetRoutes(runtime, rules).routes(),
        *PlaygroundRoutes(runtime, rules, keep_alive_s).routes(),
        *FileRoutes(kept.jobs, rules).routes(),
        *BatchRoutes(kept.jobs, rules).routes(),
        *LoginRoutes(runtime, rules).routes(),
        *LiveRoutes(runtime, listener).routes(),
    ]
    routes = [with_role_check(route, rules) for route in routes]
    paths = PathResolver(inference, routes, lambda: rules.root_path)
    errors = ErrorReporter(runtime.metrics, runtime.inbound, paths)
    app = Starlette(
        routes=routes,
        exception_handlers={HTTPException: errors.http_error, OctorouteError: errors.error, ClientGone: client_gone},
    )
    app.router.redirect_slashes = False
    return AuthMiddleware(app, rules, errors, paths)


_CHANGING = frozenset({Permission.OPERATE, Permission.ADMINISTER})
_READING = frozenset({"GET", "HEAD"})


def with_role_check(route: Route, rules: AccessRules) -> Route:
    """Return the route behind the check of the caller's role. What a route requires is found by the route, not by the path sent."""
    view: Callable[[Request], Awaitable[Response]] = route.endpoint

    async def checked(request: Request) -> Response:
        permission = required(route.path, request.method)
        if permission is Permission.OPEN:
            return await view(request)
        try:
            rules.keys.authorize(principal_of(request), permission)
        except OctorouteError as error:
            rules.refused(error, request.scope, request.headers)
            raise
        if rules.audit is None or permission not in _CHANGING or request.method in _READING:
            return await view(request)
        return await with_audit(request, view, rules.audit, f"{request.method} {route.path}")

    return Route(route.path, checked, methods=sorted(route.methods or ()))


async def with_audit(request: Request, view: Callable[[Request], Awaitable[Response]], audit: AuditTrail, action: str) -> Response:
    """The response of a view that changes something; what came of it is in the audit log before the client knows."""
    principal = principal_of(request)
    actor = "" if principal is None else principal.name
    try:
        response = await view(request)
    except OctorouteError as error:
        await audit.changed(actor, action, error.status, request.path_params)
        raise
    await audit.changed(actor, action, response.status_code, request.path_params)
    return response


class AuthMiddleware:
    """Checks the size of the headers, whether the page or host name may use the gateway, and, except for open paths, the key."""

    def __init__(self, inner: Starlette, rules: AccessRules, errors: ErrorReporter, paths: PathResolver) -> None:
        self.paths = paths
        self._inner = inner
        self._rules = rules
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._admit(scope, receive, send, self._inner)

    async def outside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a path that is not below `server.root_path`."""
        await self._admit(scope, receive, send, self._errors.outside)

    async def _admit(self, scope: Scope, receive: Receive, send: Send, inner: Application) -> None:
        given_id = ""
        headers: Mapping[str, str] = {}
        try:
            headers = headers_of(scope)
            given_id = request_id(headers)
            self._rules.origins.check(scope, headers)
            if not is_open(scope["path"]):
                scope[PRINCIPAL] = await self._rules.admit(scope, self._errors.with_url_key(headers, scope))
        except OctorouteError as error:
            self._rules.refused(error, scope, headers)
            response: Application = self._errors.report(error, scope, headers, given_id or new_id())
            if isinstance(error, Unauthorized) and scope["path"] == "/" and wants_page(headers):
                response = to_login("/", scope["query_string"].decode("latin-1"), self._rules.root_path)
            await response(scope, receive, send)
            return
        await inner(scope, receive, send)


class ErrorReporter:
    """Counts an error and writes it in the dialect that the client speaks."""

    def __init__(self, metrics: Metrics, inbound: Mapping[str, Inbound], paths: PathResolver) -> None:
        self._metrics = metrics
        self._inbound = inbound
        self._paths = paths

    def with_url_key(self, headers: Mapping[str, str], scope: Scope) -> Mapping[str, str]:
        """The headers, with the key of the URL where the client's format allows one there."""
        parameter = inbound_of(self._inbound, scope["path"], headers).key_parameter if scope["query_string"] else None
        return headers if parameter is None else target_headers(headers, scope, parameter)

    async def http_error(self, request: Request, error: Exception) -> Response:
        """Handle an error that Starlette raises itself: an unknown path or method."""
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            allow = (error.headers or {}).get("Allow", "")
            return await self.error(request, wrong_method(request.url.path, request.method, allow))
        if error.status_code == 404:
            return await self.error(request, UnknownRoute(self._paths.unknown(request.url.path)))
        return await self.error(request, OctorouteError(str(error.detail)))

    async def outside(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        error = UnknownRoute(self._paths.outside(scope["path"]))
        await self.report(error, scope, headers, request_id(headers))(scope, receive, send)

    async def error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, OctorouteError)
        return self.report(error, request.scope, request.headers, request_id(request.headers))

    def report(self, error: OctorouteError, scope: Scope, headers: Mapping[str, str], given_id: str) -> ErrorResponse:
        self._metrics.count("octoroute_client_errors_total", error.code)
        return ErrorResponse(error, inbound_of(self._inbound, scope["path"], headers), given_id)


class ErrorResponse(Response):
    """An error, written exactly as the inference routes write theirs."""

    def __init__(self, error: OctorouteError, writer: Inbound, given_id: str) -> None:
        super().__init__()
        self._error = error
        self._writer = writer
        self._given_id = given_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        await send_error(send, self._error, self._writer, self._given_id)


async def client_gone(request: Request, error: Exception) -> Response:  # noqa: ARG001 - a handler's signature
    """The client disconnected while its body was read: 499 (nginx's status) for the log; the client does not receive it."""
    return Response(status_code=499)
