"""tests/behaviour/test_tokens.py has the attacks."""

from __future__ import annotations

import json
import time

import pytest

from octoroute.access.credentials import digest_of
from octoroute.access.key_registry import KeyRegistry
from octoroute.access.tokens import token_registry
from octoroute.access.tokens.issuer import Issuer
from octoroute.access.tokens.key_set import KeySets
from octoroute.access.tokens.token_registry import TokenRegistry
from octoroute.errors import Unauthorized
from tests.support.issuer import FakeIssuer
from tests.support.live_gateway import Clock

ISSUER, OTHER = FakeIssuer("one"), FakeIssuer("two")
ISSUER.port, OTHER.port = 1, 2


async def fetch(url: str) -> bytes:
    return json.dumps((ISSUER if url.startswith(ISSUER.url) else OTHER)._answer(url)).encode()


class Door:
    def __init__(self, **more) -> None:
        self.clock = Clock(time.time())
        self.keys = KeyRegistry([], required=True, wall=self.clock)
        settings = {"audience": ("octoroute",), "algorithms": ("RS256",), **more}
        issuers = [Issuer(issuer=issuer.url, name_prefix=prefix, **settings) for issuer, prefix in ((ISSUER, ""), (OTHER, "o:"))]
        self.tokens = TokenRegistry(issuers, KeySets(fetch, self.clock), self.keys, self.clock)

    async def name(self, token: str) -> str:
        headers = {"authorization": f"Bearer {token}"}
        await self.tokens.admit(headers)
        principal = self.keys.check(headers)
        assert principal is not None
        return principal.name


async def test_a_token_is_known_until_it_expires():
    door = Door()
    token = ISSUER.token()
    assert await door.name(token) == "ann"
    assert door.keys.find({"x-api-key": token}).digest == digest_of(token)
    door.clock.pass_(659)
    assert await door.name(token) == "ann"
    door.clock.pass_(2)
    with pytest.raises(Unauthorized, match="expired"):
        await door.name(token)


async def test_an_issuer_cannot_sign_for_another():
    door = Door()
    assert await door.name(OTHER.token("two")) == "o:ann"
    with pytest.raises(Unauthorized):
        await door.name(OTHER.token("two", iss=ISSUER.url))


async def test_tokens_that_are_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr(token_registry, "MAX_TOKENS", 2)
    door = Door()
    tokens = [ISSUER.token(jti=str(at)) for at in range(4)]
    for token in tokens:
        await door.name(token)
    assert len(door.tokens._verified) == 2
    assert await door.name(tokens[0]) == "ann"


async def test_a_nonce_and_an_audience_may_be_asked_for():
    door = Door()
    assert (await door.tokens.verify(ISSUER.token(aud="login", nonce="n"), audience="login", nonce="n")).principal.name == "ann"
    for claims in ({"nonce": "n"}, {"aud": "login", "nonce": "m"}, {"aud": "login"}):
        with pytest.raises(Unauthorized):
            await door.tokens.verify(ISSUER.token(**claims), audience="login", nonce="n")
