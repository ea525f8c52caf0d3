from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qs

import pytest

from octoroute.domain.endpoint import OAuth2Grant, Secret
from octoroute.errors import BadUpstreamResponse, UpstreamAuthError, UpstreamError
from octoroute.upstream.oauth2 import RETRY_S, AccessTokens, basic, read_answer, token_request
from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.web_client import WebAnswer
from tests.support.live_gateway import Clock

GRANT = OAuth2Grant(token_url="https://login/token", client_id="me", client_secret=Secret("the-secret"), scope="a b", audience="x")
ASK = TransportRequest(
    method="POST", url="https://model/chat", headers=(("content-type", "application/json"), ("Authorization", "x"))
)


class Answer:
    def __init__(self, status: int, body: bytes) -> None:
        self.status, self._body, self.headers = status, body, {}
        self.closed = False

    async def body(self, limit: int) -> bytes:
        return self._body

    def close(self) -> None:
        self.closed = True


class World:
    """A token server and a model server behind one transport."""

    def __init__(self, lifetime_s: object = 3600) -> None:
        self.clock = Clock()
        self.lifetime_s = lifetime_s
        self.fetches: list[TransportRequest] = []
        self.asked: list[str] = []
        self.refused: set[str] = set()
        """Tokens that the model server answers 401."""
        self.failure: WebAnswer | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.tokens = AccessTokens(self, self.clock)

    async def send(self, request: TransportRequest) -> Answer:
        if request.url != GRANT.token_url:
            token = dict(request.headers)["authorization"]
            assert [name for name, _ in request.headers] == ["content-type", "authorization"]
            self.asked.append(token)
            return Answer(401 if token in self.refused else 200, b"")
        self.fetches.append(request)
        await self.gate.wait()
        if self.failure is not None:
            return Answer(*self.failure)
        body = {"access_token": f"t{len(self.fetches)}", "expires_in": self.lifetime_s, "token_type": "bearer"}
        return Answer(200, json.dumps(body).encode())

    async def close(self) -> None: ...

    async def ask(self) -> int:
        return (await self.tokens.send(GRANT, ASK)).status

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


async def test_one_fetch_serves_all_who_wait_and_those_after():
    world = World()
    world.gate.clear()
    waiting = [asyncio.ensure_future(world.ask()) for _ in range(50)]
    await world.settle()
    waiting[0].cancel()  # which does not take the token from the others
    world.gate.set()
    assert [await one for one in waiting[1:]] == [200] * 49
    assert await world.ask() == 200
    assert len(world.fetches) == 1
    assert set(world.asked) == {"Bearer t1"}
    fields = parse_qs(world.fetches[0].body.decode())
    assert fields == {
        "grant_type": ["client_credentials"],
        "client_id": ["me"],
        "client_secret": ["the-secret"],
        "scope": ["a b"],
        "audience": ["x"],
    }


async def test_a_token_is_renewed_in_the_background_before_it_ends():
    world = World(1000)
    await world.ask()
    world.clock.pass_(801)
    world.gate.clear()
    assert await world.ask() == 200
    await world.settle()
    assert len(world.fetches) == 2
    assert world.asked == ["Bearer t1"] * 2
    world.gate.set()
    await world.settle()
    await world.ask()
    assert world.asked[-1] == "Bearer t2"


async def test_while_the_token_server_is_down_the_present_token_is_used_until_it_ends():
    world = World(1000)
    await world.ask()
    world.failure = WebAnswer(503, b"the-secret")
    world.clock.pass_(801)
    for _ in range(3):
        assert await world.ask() == 200
        await world.settle()
    assert len(world.fetches) == 2
    world.clock.pass_(RETRY_S)
    assert await world.ask() == 200
    await world.settle()
    assert len(world.fetches) == 3
    world.clock.pass_(200)
    with pytest.raises(BadUpstreamResponse) as caught:
        await world.ask()
    assert "the-secret" not in f"{caught.value.message}{caught.value.detail}"
    world.failure = None
    assert await world.ask() == 200


async def test_each_who_waits_gets_an_error_of_its_own():
    world = World()
    world.failure = WebAnswer(400, b'{"error": "invalid_client", "error_description": "the-secret"}')
    found = await asyncio.gather(*(world.ask() for _ in range(5)), return_exceptions=True)
    assert {type(error) for error in found} == {UpstreamAuthError}
    assert len({id(error) for error in found}) == 5
    assert len(world.fetches) == 1
    assert isinstance(found[0], UpstreamError)
    assert (found[0].blames_endpoint, found[0].detail) == (True, "login: status 400, invalid_client")


async def test_a_token_that_is_refused_is_renewed_once():
    world = World()
    await world.ask()
    world.clock.pass_(60)
    world.refused.add("Bearer t1")
    assert await asyncio.gather(*(world.ask() for _ in range(9))) == [200] * 9
    assert len(world.fetches) == 2
    world.clock.pass_(60)
    world.refused.add("Bearer t2")
    world.refused.add("Bearer t3")
    assert await world.ask() == 401
    assert len(world.fetches) == 3
    assert await world.ask() == 401  # a token that has just been made: another would be refused, too
    assert len(world.fetches) == 3


async def test_the_token_that_was_sent_last_is_known_as_a_secret():
    world = World()
    await world.ask()
    assert GRANT.latest.text == "t1"
    assert "t1" not in repr(GRANT)
    assert hash(GRANT) == hash(
        OAuth2Grant(token_url="https://login/token", client_id="me", client_secret=Secret("the-secret"), scope="a b", audience="x")
    )


@pytest.mark.parametrize(
    ("said", "lasts"), [(0, False), (-5, False), ("7200", True), ("soon", True), (None, True), (1e300, True), ("nan", True)]
)
async def test_any_lifetime_is_taken(said, lasts):
    world = World(said)
    await world.ask()
    world.clock.pass_(100)
    await world.ask()
    assert (len(world.fetches) == 1) is lasts


async def test_closing_ends_a_fetch_under_way():
    world = World()
    world.gate.clear()
    waiting = asyncio.ensure_future(world.ask())
    await world.settle()
    await world.tokens.close()
    assert waiting.done() or waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


def test_a_client_is_named_by_header_or_by_fields():
    fields, headers = token_request(OAuth2Grant(token_url="u", client_id="a:b", client_secret=Secret("ä c"), by_header=True))
    assert fields == {"grant_type": "client_credentials"}
    assert headers == (basic("a:b", "ä c"),)
    assert headers[0][1] == "Basic YSUzQWI6JUMzJUE0K2M="


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"", BadUpstreamResponse), (200, b"{}", BadUpstreamResponse), (200, b'{"access_token": ""}', BadUpstreamResponse), (200, b'{"access_token": 5}', BadUpstreamResponse),
        (200, b'{"access_token": "a\\r\\nx: y"}', BadUpstreamResponse), (200, b'{"access_token": "a b"}', BadUpstreamResponse), (200, b'{"access_token": "\xc3\xa4"}', BadUpstreamResponse),
        (200, b'{"access_token": "a", "token_type": "mac"}', BadUpstreamResponse), (401, b"", UpstreamAuthError), (403, b"<html>", UpstreamAuthError),
        (400, b'{"error": "invalid_scope"}', UpstreamAuthError), (400, b'{"error": "the-secret"}', BadUpstreamResponse), (302, b"", BadUpstreamResponse), (500, b"[" * 9999, BadUpstreamResponse),
    ],
)  # fmt: skip
def test_what_is_no_token_is_a_failure_that_tells_no_secret(status, body, error):
    with pytest.raises(error) as caught:
        read_answer(WebAnswer(status, body), "login")
    assert "secret" not in caught.value.detail
    assert caught.value.detail.startswith("login: ")
