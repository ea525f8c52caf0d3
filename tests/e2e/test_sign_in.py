"""Signing in with a real browser, at a gateway on a real socket."""

from __future__ import annotations

import json

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
