"""The table of roles and routes."""

from __future__ import annotations

from octoroute.access.permissions import PRIVILEGED, ROLES, ROUTES, Permission, is_open, required, roles_with, takes_session
from octoroute.domain.principal import AccessRole


def test_a_route_that_is_not_in_the_table_is_for_administrators():
    assert required("/admin/new", "GET") is Permission.ADMINISTER
    assert required("/v1/models", "DELETE") is Permission.ADMINISTER


def test_head_is_as_get():
    assert all(required(path, "HEAD") is methods["GET"] for path, methods in ROUTES.items() if "GET" in methods)


def test_only_health_signing_in_and_the_dashboards_files_are_open():
    assert {path for path in ROUTES if is_open(path)} == {
        *("/health", "/health/live", "/health/ready"),
        *("/login", "/login/start", "/login/callback", "/logout", "/web/{name}"),
    }


def test_a_user_sees_nothing_of_others_and_a_viewer_spends_nothing():
    assert not ROLES[AccessRole.USER] & PRIVILEGED
    assert Permission.ASK not in ROLES[AccessRole.VIEWER]
    assert ROLES[AccessRole.OPERATOR] < ROLES[AccessRole.ADMIN] == frozenset(Permission)


def test_the_role_of_most_requests_is_the_first_that_is_compared():
    assert roles_with(Permission.ASK) == (AccessRole.USER, AccessRole.OPERATOR, AccessRole.ADMIN)
    assert roles_with(Permission.ADMINISTER) == (AccessRole.ADMIN,)


def test_a_session_counts_for_no_request_to_a_model_but_the_playgrounds():
    taking = {path for path in ROUTES if takes_session(path)}
    assert all(path == "/" or path.startswith(("/admin/", "/web/")) for path in taking)
    assert [path for path in taking if Permission.ASK in ROUTES[path].values()] == ["/admin/playground/chat/completions"]
