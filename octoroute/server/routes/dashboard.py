"""The dashboard at `/`: a page and its static files, which load nothing from elsewhere; what it shows it asks the other routes for.

Without scripts the same pages are tables that the gateway writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from octoroute.access.permissions import ROLES, Permission
from octoroute.domain.principal import Principal
from octoroute.errors import UnknownRoute
from octoroute.server.guard import AccessRules, principal_of, request_id
from octoroute.server.routes.dashboard_tables import DashboardTables

PAGES: Mapping[str, str] = {
    "now": "Now",
    "requests": "Requests",
    "endpoints": "Endpoints",
    "routing": "Routing",
    "money": "Money",
    "playground": "Playground",
    "config": "Configuration",
}
"""By the `view` of the address; the first one is shown without one."""
MEDIA_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class WebFile(msgspec.Struct, frozen=True):
    content: bytes
    media_type: str
    tag: str
    """Of its content (RFC 9110, 8.8.3), so that a browser asks for it again only to hear that it has not changed."""


def web_files() -> Mapping[str, WebFile]:
    """The static files by name."""
    found: dict[str, WebFile] = {}
    for entry in files("octoroute.server").joinpath("web").iterdir():
        media_type = MEDIA_TYPES.get(entry.name.rpartition(".")[2])
        if media_type is not None:
            content = entry.read_bytes()
            found[entry.name] = WebFile(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return found


def wants_page(headers: Mapping[str, str]) -> bool:
    """Whether a browser asks: it accepts HTML, which programs do not name."""
    return "text/html" in headers.get("accept", "")


def to_login(request_path: str, query: str, root_path: str) -> Response:
    """Send a browser to the sign-in page, and back to where it was."""
    target = quote(f"{root_path}{request_path}" + (f"?{query}" if query else ""), safe="")
    return RedirectResponse(f"{root_path}/login?next={target}", 303, {"cache-control": "no-store"})


class DashboardRoutes:
    def __init__(self, rules: AccessRules, tables: DashboardTables) -> None:
        self._rules = rules
        self._tables = tables
        self._files = web_files()
        self._shell = Template(files("octoroute.server").joinpath("web", "index.html").read_text("utf-8"))

    def routes(self) -> list[Route]:
        return [Route("/web/{name}", self.file)]

    async def file(self, request: Request) -> Response:
        """A static file; it holds nothing secret, so that the sign-in page may use it too."""
        name = request.path_params["name"]
        found = self._files.get(name)
        if found is None:
            raise UnknownRoute(f"there is no file {name[:100]!r} of the dashboard")
        headers = {"etag": found.tag, "cache-control": "no-cache", "x-content-type-options": "nosniff"}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, headers=headers, media_type=found.media_type)

    async def page(self, request: Request) -> Response:
        """The page of the address, for a client that may watch; a browser without such a key is sent to sign in."""
        principal = principal_of(request)
        if principal is None or Permission.WATCH not in ROLES[principal.role]:
            return to_login("/", request.url.query, self._rules.root_path)
        view = request.query_params.get("view", "")
        view = view if view in PAGES else next(iter(PAGES))
        content = await self._tables.write(view, request) if view in self._tables.views else _NEEDS_SCRIPTS
        text = self._shell.substitute(
            root=escape(self._rules.root_path),
            title=escape(PAGES[view]),
            nav="".join(self._link(name, title, view) for name, title in PAGES.items()),
            tools=_tools(principal, self._rules.root_path),
            content=f"<noscript><h1>{escape(PAGES[view])}</h1>{content}</noscript>",
        )
        headers = {**_HEADERS, "cache-control": "no-store", "x-request-id": request_id(request.headers)}
        return Response(text, headers=headers, media_type="text/html; charset=utf-8")

    def _link(self, name: str, title: str, view: str) -> str:
        here = ' aria-current="page"' if name == view else ""
        return f'<a href="{escape(self._rules.root_path)}/?view={name}"{here}>{escape(title)}</a>'


_NEEDS_SCRIPTS = "<p>This page needs JavaScript. The others show their tables without it.</p>"


def _tools(principal: Principal, root_path: str) -> str:
    return (
        f'<span title="{escape(principal.role)}">{escape(principal.name)}</span><a href="{escape(root_path)}/logout">Sign out</a>'
    )
