"""Signing in and out with a browser: a pasted key becomes the cookie of a session. Nothing here is known to a client of models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from octoroute.access.key_registry import KnownKey
from octoroute.access.permissions import ROLES, Permission
from octoroute.errors import BadRequest, Forbidden, IdentityUnavailable, OctorouteError, Unauthorized
from octoroute.runtime.assembly import Runtime
from octoroute.server.guard import AccessRules, headers_of, principal_of, read_body, request_id
from octoroute.server.origins import check_own_page
from octoroute.server.routes.json_response import json_response
from octoroute.server.routes.login_page import HEADERS, login_page, logout_page
from octoroute.server.routes.single_sign_on import SingleSignOn

MAX_FORM_BYTES = 16 * 1024
_SAFE_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,1000}")
"""A path of this host: browsers read `//`, `/\\`, and control characters as the beginning of another host."""


class SignIn(msgspec.Struct, frozen=True):
    """The body of POST /login."""

    key: str
    next: str = ""


class LoginRoutes:
    def __init__(self, runtime: Runtime, rules: AccessRules) -> None:
        self._runtime = runtime
        self._rules = rules
        self._sso = SingleSignOn(runtime, rules)

    def routes(self) -> list[Route]:
        return [
            Route("/login", self.form),
            Route("/login", self.sign_in, methods=["POST"]),
            Route("/login/start", self.start),
            Route("/login/callback", self.callback),
            Route("/logout", self.logout_form),
            Route("/logout", self.sign_out, methods=["POST"]),
            Route("/admin/session", self.session),
        ]

    async def form(self, request: Request) -> Response:
        return self._form(self._next(request.query_params.get("next", "")), request)

    def _form(self, next_path: str, request: Request, problem: str = "", status: int = 200) -> Response:
        start = f"{self._rules.root_path}/login/start?{urlencode({'next': next_path})}" if self._sso.is_on else ""
        return self._page(login_page(next_path, problem=problem, single_sign_on=start), request, status)

    async def sign_in(self, request: Request) -> Response:
        """A form is answered with a redirect or the page again, JSON with JSON."""
        headers = headers_of(request.scope)
        is_json = headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
        next_path = self._next("")
        try:
            check_own_page(request.scope, headers, bare=True)
            body = await read_body(request.receive, headers, MAX_FORM_BYTES)
            asked = read_sign_in(body, is_json=is_json)
            next_path = self._next(asked.next)
            key = await self._known(asked.key)
        except OctorouteError as error:
            self._rules.refused(error, request.scope, {})
            if is_json:
                raise
            return self._refused(error, next_path, request)
        response = json_response(described(key.principal.name, key.principal.role), request) if is_json else self._see(next_path)
        await self._begin(key, response, request, "POST /login")
        return response

    async def start(self, request: Request) -> Response:
        """Send the browser to the identity provider."""
        next_path = self._next(request.query_params.get("next", ""))
        try:
            departure = await self._sso.begin(next_path, request.scope, headers_of(request.scope))
        except IdentityUnavailable as error:
            return self._refused(error, next_path, request)
        response = self._see(departure.url)
        response.headers["set-cookie"] = departure.cookie
        return response

    async def callback(self, request: Request) -> Response:
        """The browser is back from the identity provider."""
        headers, next_path = headers_of(request.scope), self._next("")
        try:
            pending = self._sso.pending(headers)
            next_path = self._next(pending.next)
            key = await self._sso.end(pending, request.query_params, request.scope, headers)
            check_role(key)
        except OctorouteError as error:
            self._rules.refused(error, request.scope, {})
            response = self._refused(error, next_path, request)
        else:
            response = self._see(next_path)
            await self._begin(key, response, request, "GET /login/callback")
        response.headers.append("set-cookie", self._sso.end_cookie(request.scope, headers))
        return response

    async def _begin(self, key: KnownKey, response: Response, request: Request, action: str) -> None:
        """Begin a session with the response."""
        hours, headers = self._runtime.config.auth.session_hours, headers_of(request.scope)
        response.headers.append("set-cookie", self._rules.sessions.begin(key, hours, request.scope, headers))
        response.headers["cache-control"] = "no-store"
        if self._rules.audit is not None:
            await self._rules.audit.changed(key.principal.name, action, 200, {})

    def _refused(self, error: OctorouteError, next_path: str, request: Request) -> Response:
        self._runtime.metrics.count("octoroute_client_errors_total", error.code)
        return self._form(next_path, request, error.message, int(error.status))

    async def logout_form(self, request: Request) -> Response:
        return self._page(logout_page(), request)

    async def sign_out(self, request: Request) -> Response:
        headers = headers_of(request.scope)
        check_own_page(request.scope, headers, bare=True)
        response = self._see(self._rules.root_path + "/login")
        response.headers["set-cookie"] = await self._rules.sessions.end(request.scope, headers)
        return response

    async def session(self, request: Request) -> Response:
        """What the caller is and may do, for a dashboard that shows only what works."""
        principal = principal_of(request)
        assert principal is not None  # the role check lets no other pass
        expires_at = self._rules.sessions.expires_at(request.headers)
        return json_response({**described(principal.name, principal.role), "session_expires_at": expires_at}, request)

    async def _known(self, text: str) -> KnownKey:
        """Return the key, or the token, of that text. Raises as `AccessRules.admit`, and Forbidden if it opens nothing here."""
        headers = {"x-api-key": text.strip()}
        await self._rules.admit_token(headers)
        principal = self._rules.keys.check(headers)
        found = self._rules.keys.find(headers)
        if principal is None or found is None:
            raise Unauthorized("invalid API key")
        check_role(found)
        return found

    def _next(self, asked: str) -> str:
        """Where a browser goes after signing in: a path of the gateway, never another host."""
        return asked if _SAFE_PATH.fullmatch(asked) else self._rules.root_path + "/"

    @staticmethod
    def _see(path: str) -> Response:
        return RedirectResponse(path, 303, {"cache-control": "no-store"})

    @staticmethod
    def _page(text: str, request: Request, status: int = 200) -> Response:
        headers = {**HEADERS, "x-request-id": request_id(request.headers)}
        return Response(text, status, headers=headers, media_type="text/html; charset=utf-8")


def check_role(key: KnownKey) -> None:
    """Raises Forbidden if a session of the key or token would open nothing."""
    role = key.principal.role
    if Permission.WATCH not in ROLES[role]:
        what = "caller" if key.granted_by else "key"
        raise Forbidden(f"this is a {what} of the role {role}; signing in requires the role viewer, operator, or admin")


def described(name: str, role: Any) -> Mapping[str, Any]:
    return {"name": name, "role": role, "permissions": sorted(ROLES[role])}


def read_sign_in(body: bytes, *, is_json: bool) -> SignIn:
    """Raises BadRequest."""
    try:
        fields = body if is_json else msgspec.json.encode(dict(parse_qsl(body.decode("ascii"), max_num_fields=8)))
        return msgspec.json.decode(fields, type=SignIn)
    except ValueError as error:
        raise BadRequest("key: is missing; send the form field `key`, or JSON with `key`", param="key") from error
