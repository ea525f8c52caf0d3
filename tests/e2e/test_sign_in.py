"""Signing in with a real browser, at a gateway on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
from pathlib import Path

import pytest

from tests.support.browser import CHROMIUM, browser
from tests.support.live_gateway import endpoint

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)")

AUTH = {"clients": [{"name": "team", "key": "key-of-team"}], "admin_keys": ["key-of-boss"]}


def fetch(path: str, method: str = "GET") -> str:
    return f"fetch({json.dumps(path)}, {{method: '{method}'}}).then(found => found.status)"


async def test_a_person_signs_in_by_key_administers_and_signs_out(make_gateway, make_fake, tmp_path):
    gateway, other = await make_gateway([endpoint(await make_fake())], auth=AUTH), await make_gateway([endpoint(await make_fake())])
    async with browser(tmp_path / "profile") as tab:
        await tab.open(f"{gateway.url}/login?next=/admin/session")
        await tab.until("document.querySelector('#key') !== null")
        assert await tab.run("getComputedStyle(document.querySelector('main')).width !== getComputedStyle(document.body).width")
        await tab.run("document.querySelector('#key').value = 'key-of-team'; document.forms[0].requestSubmit()")
        await tab.until("document.querySelector('[role=alert]')?.textContent.includes('requires the role') ?? false")
        await tab.run("document.querySelector('#key').value = 'key-of-boss'; document.forms[0].requestSubmit()")
        await tab.until("location.pathname === '/admin/session' && document.body.textContent.includes('admin-1')")
        assert await tab.run("document.cookie") == ""
        assert await tab.run(fetch("/admin/stats")) == 200
        assert await tab.run(fetch("/admin/stats/reset", "POST")) == 200
        assert await tab.run(fetch("/v1/models")) == 401

        # A page of another port of this host is of the same site: its requests have the cookie with them.
        await tab.open(f"{other.url}/health")
        await tab.until(f"location.origin === '{other.url}'")
        await tab.run(
            f"fetch('{gateway.url}/admin/stats/reset', {{method: 'POST', mode: 'no-cors', credentials: 'include'}}).catch(() => 0)"
        )
        assert gateway.metric("octoroute_client_errors_total", code="permission_denied") >= 2

        await tab.open(f"{gateway.url}/logout")
        await tab.until("location.pathname === '/logout' && document.forms.length === 1")
        await tab.run("document.forms[0].requestSubmit()")
        await tab.until("location.pathname === '/login'")
        await tab.open(f"{gateway.url}/admin/stats")
        await tab.until("document.body.textContent.includes('the API key is missing')")


NODE = shutil.which("node")
PROVIDER = Path(__file__).parent / "node" / "identity_provider.mjs"
needs_provider = pytest.mark.skipif(
    NODE is None or not (PROVIDER.parent / "node_modules" / "oidc-provider").is_dir(),
    reason="npm ci --prefix tests/e2e/node has not been run (./test runs it): oidc-provider",
)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.asynccontextmanager
async def identity_provider(port: int, gateway: str):
    assert NODE is not None
    process = await asyncio.create_subprocess_exec(
        NODE, str(PROVIDER), str(port), gateway, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(45):
            while (await process.stdout.readline()).strip() != b"ready":
                assert process.returncode is None
        yield
    finally:
        process.kill()
        await process.wait()


@needs_provider
async def test_a_person_signs_in_at_a_provider_that_others_wrote(make_gateway, make_fake, tmp_path):
    login = {"client_id": "octoroute", "client_secret": "the-client-secret"}
    port = free_port()
    jwt = {"issuer": f"http://127.0.0.1:{port}", "audience": "octoroute", "role_claim": "roles", "roles": {"gw-admins": "admin"}}
    gateway = await make_gateway([endpoint(await make_fake())], auth={"jwt": {**jwt, "name_claim": "email"}, "login": login})
    async with identity_provider(port, gateway.url), browser(tmp_path / "profile") as tab:
        for name in ("guest", "boss"):
            await tab.open(f"{gateway.url}/login?next=/admin/session")
            await tab.until("document.querySelector('a.button') !== null")
            await tab.run("document.querySelector('a.button').click()")
            await tab.until("document.querySelector('[name=login]') !== null")
            await tab.run(
                f"document.querySelector('[name=login]').value = '{name}'; document.querySelector('[name=password]').value = 'x';"
                "document.forms[0].requestSubmit()"
            )
            await tab.until("document.body.textContent.includes('Authorize')")
            await tab.run("document.forms[0].requestSubmit()")
            if name == "guest":
                await tab.until("document.querySelector('[role=alert]')?.textContent.includes('requires the role') ?? false")
                await tab.call("Network.clearBrowserCookies")
        await tab.until("location.pathname === '/admin/session' && document.body.textContent.includes('boss@example.com')")
        assert await tab.run(fetch("/admin/stats/reset", "POST")) == 200
        assert await tab.run(fetch("/v1/models")) == 401


@needs_provider
async def test_client_credentials_of_one_gateway_are_a_client_of_another(make_gateway, make_fake):
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    fake = await make_fake()
    inner = await make_gateway([endpoint(fake, id="a")], auth={"jwt": {"issuer": issuer, "audience": "octoroute"}})
    oauth2 = {
        "token_url": f"{issuer}/token",
        "client_id": "machine",
        "client_secret": "the-secret+of/machine%",
        "client_auth": "basic",
    }
    table = {"p": {"base_url": f"{inner.url}/v1", "oauth2": {**oauth2, "scope": "models"}}}
    outer = await make_gateway([{"name": "model-a", "provider": "p"}], providers=table)
    async with identity_provider(port, inner.url):
        for _ in range(3):
            assert (await outer.ask()).status_code == 200
        oauth2["client_secret"] = "wrong"
        wrong = await make_gateway(
            [{"name": "model-a", "provider": "p"}], providers={"p": {"base_url": inner.url, "oauth2": oauth2}}
        )
        answer = await wrong.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_misconfigured")
    assert len(fake.requests) == 3
