from __future__ import annotations

import pytest

from octoroute.access.key_registry import KeyRegistry, KnownKey
from octoroute.domain.principal import AccessRole, Principal
from octoroute.errors import Forbidden
from octoroute.server.sessions import COOKIE, BrowserSessions, cookie_of
from tests.support.live_gateway import Clock

BOSS = KnownKey(digest=b"d", principal=Principal(name="boss", role=AccessRole.ADMIN), owner="o")
GET = {"type": "http", "method": "GET", "scheme": "http", "path": "/admin/stats"}
POST = {**GET, "method": "POST"}


class Browser:
    def __init__(self, clock: Clock, *keys: KnownKey, path: str = "") -> None:
        self.registry = KeyRegistry(keys, required=True, wall=clock)
        self.sessions = BrowserSessions(lambda: self.registry, clock, None, lambda: path)
        self.set_cookie = self.sessions.begin(keys[0], 1, GET, {})
        self.headers = {"host": "h", "cookie": f"a=b; {self.set_cookie.partition(';')[0]}; =x"}

    async def name(self, scope=GET, **headers: str) -> str | None:
        found = await self.sessions.principal(scope, {**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}})
        return found and found.name


async def test_a_session_is_its_key_until_it_expires():
    browser = Browser(clock := Clock(), BOSS)
    assert await browser.name() == "boss"
    clock.pass_(3601)
    assert await browser.name() is None


async def test_a_session_ends_with_its_key():
    browser = Browser(clock := Clock(), KnownKey(digest=b"d", principal=BOSS.principal, owner="o", expires_at=1010.0))
    assert "Max-Age=10;" in browser.set_cookie
    assert await browser.name() == "boss"
    browser.registry = KeyRegistry([], required=True, wall=clock)
    assert await browser.name() is None


async def test_a_role_that_was_taken_away_is_gone_from_the_session():
    browser = Browser(clock := Clock(), BOSS)
    less = KnownKey(digest=b"d", principal=Principal(name="boss", role=AccessRole.VIEWER), owner="o")
    browser.registry = KeyRegistry([less], required=True, wall=clock)
    found = await browser.sessions.principal(GET, browser.headers)
    assert found is not None
    assert found.role is AccessRole.VIEWER


async def test_signing_out_ends_the_session_of_a_copied_cookie_too():
    browser = Browser(Clock(), BOSS)
    assert "Max-Age=0" in await browser.sessions.end(POST, browser.headers)
    assert await browser.name() is None


@pytest.mark.parametrize(
    ("scope", "headers", "accepted"),
    [
        (GET, {}, True),
        (GET, {"sec_fetch_site": "same-origin"}, True),
        (GET, {"sec_fetch_site": "none"}, True),
        (GET, {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}, True),  # a link
        (GET, {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"}, False),
        (GET, {"sec_fetch_site": "same-site", "sec_fetch_mode": "no-cors"}, False),  # another port of this host
        (GET, {"origin": "http://h:81"}, False),
        (POST, {}, False),
        (POST, {"origin": "http://h"}, True),
        (POST, {"origin": "https://h"}, False),
        (POST, {"origin": "https://h", "x_forwarded_proto": "https"}, True),
        (POST, {"origin": "null"}, False),
        (POST, {"origin": "http://h", "sec_fetch_site": "same-origin"}, True),
        (POST, {"origin": "http://h", "sec_fetch_site": "cross-site"}, False),
        (POST, {"sec_fetch_site": "none"}, False),
        (POST, {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}, False),
    ],
)
async def test_only_pages_of_the_gateway_use_a_session(scope, headers, accepted):
    browser = Browser(Clock(), BOSS)
    if accepted:
        assert await browser.name(scope, **headers) == "boss"
    else:
        with pytest.raises(Forbidden, match="another site"):
            await browser.name(scope, **headers)


def test_the_cookie_is_for_this_host_and_path_and_not_for_scripts():
    plain = Browser(Clock(), BOSS).set_cookie
    assert plain.startswith(f"{COOKIE}=")
    assert plain.endswith("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax")
    below = Browser(Clock(), BOSS, path="/llm")
    assert "; Path=/llm;" in below.set_cookie
    for scope, headers in (({**GET, "scheme": "https"}, {}), (GET, {"x-forwarded-proto": "https"})):
        assert below.sessions.begin(BOSS, 1, scope, headers).endswith("; Secure")


@pytest.mark.parametrize(
    "cookies", ["", ";;;", "octoroute-session", "xoctoroute-session=v", "octoroute-session =v", '"; octoroute-session']
)
def test_cookies_of_others_are_not_ours(cookies):
    assert not cookie_of({"cookie": cookies}, COOKIE)
