"""Roles: every role against every route and method of the application, which lists its routes itself."""

from __future__ import annotations

import re

import pytest

from octoroute.access.permissions import ROLES, ROUTES, Permission, required
from octoroute.domain.principal import AccessRole
from tests.support.live_gateway import endpoint

CLIENTS = [{"name": f"a-{role}", "key": f"key-of-{role}", "role": role.value} for role in AccessRole]
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


@pytest.fixture
async def guarded(make_gateway, fake):
    return await make_gateway([endpoint(fake, id="a")], auth={"clients": CLIENTS})


def registered(app) -> set[tuple[str, str]]:
    """(path, method) of every route that the application has."""
    views = app._views._inner.routes
    return {
        *((path, "POST") for path in app._plain),
        *((route.path, method) for route in views for method in route.methods),
    }


def url(path: str) -> str:
    """A path that the route is for."""
    path = path.replace("{version}", "v1").replace("{id}", "resp_0")
    return re.sub(r"\{[^}]*\}", "openai" if path.startswith("/admin/providers") else "a", path)


async def test_the_table_has_every_route_of_the_application_and_no_other(guarded):
    table = {(path, method) for path, methods in ROUTES.items() for method in methods}
    heads = {(path, "HEAD") for path, method in table if method == "GET"}
    assert registered(guarded.app) == table | heads


async def test_each_role_gets_where_the_table_lets_it_and_nowhere_else(guarded, fake):
    wrong: list[tuple[str, str, str, int]] = []
    for path, method in sorted(registered(guarded.app)):
        permission = required(path, method)
        for role in AccessRole:
            answer = await guarded.client.request(
                method, url(path), headers={"x-api-key": f"key-of-{role}", "content-type": "application/json"}, content=b"[]"
            )
            denied = answer.status_code == 401 or (
                answer.status_code == 403 and "requires the role" in (answer.text or "requires the role")
            )
            if denied is (permission in ROLES[role]):
                wrong.append((role, method, path, answer.status_code))
        for key in ("", "key-of-nobody"):
            answer = await guarded.client.request(method, url(path), headers={"x-api-key": key}, content=b"[]")
            if (answer.status_code == 401) is (permission is Permission.OPEN):
                wrong.append((key, method, path, answer.status_code))
    assert wrong == []
    assert not [request for request in fake.requests if request.path.endswith("/chat/completions") and request.body == b"[]"]


async def test_a_method_that_a_route_does_not_have_opens_nothing(guarded):
    known = registered(guarded.app)
    for path in sorted({path for path, _ in known}):
        for method in METHODS:
            if (path, method) not in known and path != "/admin/config":
                answer = await guarded.client.request(method, url(path), headers={"x-api-key": "key-of-user"}, content=b"[]")
                assert answer.status_code in {403, 404, 405}, (method, path, answer.status_code)


async def test_a_viewer_may_not_ask_in_any_dialect_and_the_refusal_is_in_that_dialect(guarded, fake):
    viewer = {"x-api-key": "key-of-viewer"}
    openai = await guarded.ask(headers=viewer)
    anthropic = await guarded.ask({"model": "auto", "max_tokens": 9, "messages": []}, "/v1/messages", headers=viewer)
    gemini = await guarded.ask({"contents": []}, "/v1beta/models/auto:generateContent", headers=viewer)
    assert [answer.status_code for answer in (openai, anthropic, gemini)] == [403, 403, 403]
    assert openai.json()["error"]["code"] == "permission_denied"
    assert anthropic.json()["error"]["type"] == "permission_error"
    assert gemini.json()["error"]["status"] == "PERMISSION_DENIED"
    assert not fake.requests


@pytest.mark.parametrize(
    "path",
    [
        "//admin/config",
        "/admin//config",
        "/admin/config/",
        "/v1/admin/config",
        "/admin/./config",
        "/%61dmin/config",
        "/admin/config;x",
    ],
)
async def test_another_spelling_of_an_admin_path_gives_no_more_than_the_path(guarded, path):
    assert (await guarded.client.get(path, headers={"x-api-key": "key-of-user"})).status_code in {403, 404}


@pytest.mark.parametrize("host", ["x/health?", "127.0.0.1/health#", "a@b:1/health", "[::1", "health"])
async def test_a_malformed_host_decides_nothing(guarded, host):
    """CVE-2026-48710: the route is the one that was matched, not what a Host header makes of the URL."""
    answer = await guarded.client.get("/admin/config", headers={"host": host})
    assert answer.status_code in {400, 401}
