"""Signing in with a key, as a browser and as a script do it; tests/e2e/test_chromium.py has a real browser."""

from __future__ import annotations

import pytest

from tests.support.asgi import row, serving

CLIENTS = [{"name": f"the-{role}", "key": f"key-of-{role}", "role": role} for role in ("viewer", "user", "operator", "admin")]
LOCKED = {"auth": {"clients": CLIENTS, "session_hours": 2}}
FORM = {"content-type": "application/x-www-form-urlencoded"}


async def sign_in(client, key: str, next_path: str = "", **headers: str):
    return await client.post("/login", data={"key": key, "next": next_path}, headers={"origin": "http://localhost", **headers})


async def test_a_key_becomes_a_session_that_opens_the_admin_routes_and_nothing_else():
    async with serving([row()], tables=LOCKED) as (_, client):
        assert (await client.get("/admin/stats")).status_code == 401
        answer = await sign_in(client, "key-of-operator", "/?view=costs")
        assert (answer.status_code, answer.headers["location"], answer.headers["cache-control"]) == (
            303,
            "/?view=costs",
            "no-store",
        )
        assert "key-of-operator" not in str(answer.headers)
        found = (await client.get("/admin/session")).json()
        assert (found["name"], found["role"]) == ("the-operator", "operator")
        assert "administer" not in found["permissions"]
        assert found["session_expires_at"] > 0
        assert (await client.get("/admin/stats")).status_code == 200
        assert (await client.get("/")).status_code == 200
        for path in ("/v1/models", "/metrics", "/models", "/v1/responses/resp_1", "//v1/models"):
            assert (await client.get(path)).status_code == 401, path
        for path in ("/v1/chat/completions", "/chat", "/v1/route"):
            assert (await client.post(path, json={})).status_code == 401, path


async def test_a_session_changes_things_only_from_pages_of_the_gateway_and_within_its_role():
    async with serving([row()], tables=LOCKED) as (_, client):
        await sign_in(client, "key-of-operator")
        own, other = {"origin": "http://localhost"}, {"origin": "http://localhost:8080"}
        assert (await client.post("/admin/stats/reset")).status_code == 403
        assert (await client.post("/admin/stats/reset", headers=other)).status_code == 403
        assert (await client.post("/admin/stats/reset", headers=own)).status_code == 200
        assert (await client.put("/admin/config", headers=own, content=b"x")).status_code == 403


async def test_signing_out_ends_the_session_everywhere():
    async with serving([row()], tables=LOCKED) as (_, client):
        await sign_in(client, "key-of-viewer")
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}
        assert "<form" in (await client.get("/logout")).text
        assert (await client.post("/logout", headers={"origin": "http://evil.example"})).status_code == 403
        answer = await client.post("/logout", headers={"origin": "http://localhost"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert not client.cookies
        assert (await client.get("/admin/stats", headers=cookie)).status_code == 401


@pytest.mark.parametrize(("key", "status"), [("key-of-user", 403), ("wrong", 401), ("", 400), (" key-of-viewer ", 303)])
async def test_what_is_refused_is_said_on_the_page_without_the_key(key, status):
    async with serving([row()], tables=LOCKED) as (_, client):
        answer = await sign_in(client, key)
        assert answer.status_code == status
        if status != 303:
            assert 'role="alert"' in answer.text
            assert not key or key not in answer.text
            assert not client.cookies


@pytest.mark.parametrize(
    "where",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "\n//evil.example",
        "evil",
        "/a\\..",
        "/\r\nset-cookie: a=b",
        "/é",
        "/" + "a" * 3000,
    ],
)
async def test_a_browser_is_sent_to_no_other_host(where):
    async with serving([row()], tables={**LOCKED, "server": {"root_path": "/llm"}}) as (_, client):
        answer = await client.post(
            "/llm/login", data={"key": "key-of-viewer", "next": where}, headers={"origin": "http://localhost"}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/llm/")
        assert "; Path=/llm;" in answer.headers["set-cookie"]
        page = await client.get("/llm/login", params={"next": where})
        assert 'name="next" value="/llm/"' in page.text


async def test_another_site_cannot_sign_a_browser_in():
    async with serving([row()], tables=LOCKED) as (_, client):
        assert (await sign_in(client, "key-of-viewer", origin="http://evil.example")).status_code == 403
        assert not client.cookies


async def test_a_script_signs_in_with_json_and_is_refused_in_json():
    async with serving([row()], tables=LOCKED) as (_, client):
        refused = await client.post("/login", json={"key": "wrong"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
        for body in (b"", b"[]", b"{}", b'{"key": 1}', b"[" * 9000, b"\xff"):
            for headers in (FORM, {"content-type": "application/json"}):
                assert (await client.post("/login", content=body, headers=headers)).status_code == 400
        assert (await client.post("/login", content=b"key=" + b"x" * 20_000, headers=FORM)).status_code == 413
        answer = await client.post("/login", json={"key": "key-of-admin"})
        assert answer.json()["role"] == "admin"
        assert (await client.get("/admin/config")).status_code == 200


async def test_a_gateway_without_keys_has_nothing_to_sign_in_to():
    async with serving() as (_, client):
        assert (await sign_in(client, "x")).status_code == 401
