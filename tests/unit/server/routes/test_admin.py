"""The admin routes without endpoints: keys, names, switches, and configurations. With endpoints they are in tests/behaviour."""

from __future__ import annotations

import pytest

from tests.support.asgi import row, serving

ADMIN = {"x-api-key": "boss"}
KEYS = {"auth": {"keys": ["k"], "admin_keys": ["boss"]}}
ROUTES = [
    ("GET", "/admin/providers"),
    ("POST", "/admin/providers/openai/test"),
    ("POST", "/admin/providers/openai/enable"),
    ("POST", "/admin/providers/openai/disable"),
    ("POST", "/admin/endpoints/m/test"),
    ("POST", "/admin/endpoints/m/enable"),
    ("POST", "/admin/endpoints/m/disable"),
    ("GET", "/admin/stats"),
    ("POST", "/admin/stats/reset"),
    ("POST", "/admin/config/reload"),
    ("GET", "/admin/config"),
    ("PUT", "/admin/config"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_every_route_wants_an_admin_key(method, path):
    async with serving([row()], tables=KEYS) as (app, client):
        assert (await client.request(method, path)).status_code == 401
        assert (await client.request(method, path, headers={"x-api-key": "k"})).status_code == 403
        assert app.runtime.admin_state.provider_enabled("openai")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_without_admin_keys_every_route_is_off(method, path):
    async with serving() as (_, client):
        answer = await client.request(method, path, headers=ADMIN)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")


async def test_an_endpoint_is_switched_off_and_on():
    async with serving([row("a"), row("b/c")], tables=KEYS) as (_, client):
        off = (await client.post("/admin/endpoints/b/c/disable", headers=ADMIN)).json()
        assert (off["endpoint"], off["enabled"], off["status"]) == ("b/c", False, "disabled")
        shown = (await client.get("/admin/providers", headers=ADMIN)).json()["providers"]["openai"]["endpoints"]
        assert {one["id"]: one["enabled"] for one in shown} == {"a": True, "b/c": False}
        assert (await client.post("/admin/endpoints/b/c/enable", headers=ADMIN)).json()["enabled"] is True


async def test_a_provider_is_switched_off_with_all_its_endpoints():
    async with serving([row("a"), row("b")], tables=KEYS) as (app, client):
        off = (await client.post("/admin/providers/openai/disable", headers=ADMIN)).json()
        assert (off["provider"], off["enabled"], off["status"], off["models"]) == ("openai", False, "disabled", ["a", "b"])
        assert (await client.get("/health/ready")).status_code == 503
        assert not app.runtime.admin_state.provider_enabled("openai")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/admin/providers/nope/enable", "the providers are: openai"),
        ("/admin/endpoints/nope/enable", "GET /admin/providers lists them"),
    ],
)
async def test_an_unknown_name_is_a_404_that_helps(path, said):
    async with serving([row()], tables=KEYS) as (_, client):
        answer = await client.post(path, headers=ADMIN)
        assert answer.status_code == 404
        assert said in answer.json()["error"]["message"]


async def test_with_several_workers_nothing_is_switched():
    async with serving([row()], tables={**KEYS, "server": {"workers": 2}}) as (_, client):
        for path in ("/admin/providers/openai/disable", "/admin/endpoints/m/disable"):
            answer = await client.post(path, headers=ADMIN)
            assert answer.status_code == 400
            assert "server.workers > 1" in answer.json()["error"]["message"]


async def test_a_test_that_fails_says_what_to_look_at():
    async with serving([row("a"), row("b")], tables=KEYS) as (_, client):
        answer = await client.post("/admin/providers/openai/test", headers=ADMIN)
        body = answer.json()
        assert (answer.status_code, body["status"]) == (503, "failed")
        assert [(one["endpoint"], one["error"]) for one in body["attempts"]] == [
            ("a", "upstream_unreachable"),
            ("b", "upstream_unreachable"),
        ]
        assert "check base_url" in body["suggestions"][0]


async def test_the_configuration_is_shown_without_secrets():
    async with serving([row(api_key="sk-s3cret")], tables=KEYS) as (_, client):
        text = (await client.get("/admin/config", headers=ADMIN)).text
        assert "boss" not in text
        assert "s3cret" not in text
        assert '"m"' in text


@pytest.mark.parametrize(
    ("body", "media_type", "status", "said"),
    [
        (b"\xff", "application/toml", 400, "not UTF-8 (byte 1)"),
        (b"x = 1", "image/png", 415, "application/toml"),
        (b"x" * (4 * 1024 * 1024 + 1), "application/toml", 413, "limit"),
    ],
)
async def test_what_cannot_be_a_configuration_is_refused(body, media_type, status, said):
    async with serving([row()], tables=KEYS) as (_, client):
        answer = await client.put("/admin/config", content=body, headers={**ADMIN, "content-type": media_type})
        assert answer.status_code == status
        assert said in answer.json()["error"]["message"]
