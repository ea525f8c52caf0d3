from __future__ import annotations

import asyncio
import json

import pytest

from octoroute.access.tokens.key_set import MIN_INTERVAL_S, REFRESH_S, STALE_S, KeySet, KeySets, discover, read_keys
from octoroute.errors import IdentityUnavailable, Unreachable
from tests.support.live_gateway import Clock


class Site:
    """Answers each address with a JSON value; an exception is raised, and "wait" never answers."""

    def __init__(self, **answers: object) -> None:
        self.answers: dict[str, object] = answers
        self.asked: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        found = self.answers.get(url.rpartition("/")[2], Unreachable("no connection"))
        if isinstance(found, Exception):
            raise found
        if found == "wait":
            await asyncio.Event().wait()
        return json.dumps(found).encode()


def keys(*ids: str) -> dict[str, object]:
    return {"keys": [{"kty": "RSA", "kid": id} for id in ids]}


def key_set(site: Site, clock: Clock) -> KeySet:
    return KeySet("https://i", "https://i/keys", site.fetch, clock)


async def ids(found: KeySet, wanted: str | None = None) -> list[str]:
    return [key["kid"] for key in await found.find(wanted)]


async def settle(found: KeySet) -> None:
    while found._task is not None:
        await asyncio.sleep(0)


async def test_an_unknown_id_fetches_again_but_not_too_often():
    site, clock = Site(keys=keys("a")), Clock()
    found = key_set(site, clock)
    assert await ids(found, "a") == ["a"]
    assert await ids(found, "b") == []
    site.answers["keys"] = keys("b")
    assert await ids(found, "b") == []
    assert len(site.asked) == 1
    clock.pass_(MIN_INTERVAL_S)
    assert await ids(found, "b") == ["b"]
    assert await ids(found, "a") == []
    assert len(site.asked) == 2


async def test_old_keys_are_renewed_in_the_background_and_kept_while_the_issuer_is_down():
    site, clock = Site(keys=keys("a")), Clock()
    found = key_set(site, clock)
    await ids(found)
    clock.pass_(REFRESH_S + 1)
    site.answers["keys"] = keys("b")
    assert await ids(found) == ["a"]
    await settle(found)
    assert await ids(found) == ["b"]
    site.answers["keys"] = Unreachable("down")
    clock.pass_(STALE_S - 1)
    assert await ids(found) == ["b"]
    await settle(found)
    clock.pass_(2)
    with pytest.raises(IdentityUnavailable, match="https://i cannot be fetched"):
        await ids(found)


async def test_a_fetch_that_fails_is_tried_again_and_closing_ends_one_under_way():
    site, clock = Site(), Clock()
    found = key_set(site, clock)
    for _ in range(3):
        with pytest.raises(IdentityUnavailable):
            await ids(found)
    assert len(site.asked) == 1
    clock.pass_(MIN_INTERVAL_S)
    site.answers["keys"] = "wait"
    waiting = asyncio.ensure_future(ids(found))
    while len(site.asked) < 2:
        await asyncio.sleep(0)
    await found.close()
    with pytest.raises(IdentityUnavailable):
        await waiting


async def test_a_reload_keeps_the_keys_of_an_issuer():
    sets = KeySets(Site(keys=keys("a")).fetch, Clock())
    assert sets.of("i", "u") is sets.of("i", "u")
    assert sets.of("i", "u") is not sets.of("i", "v")
    await sets.close()


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://j", "jwks_uri": "https://i/keys"},
        {"issuer": "https://i", "jwks_uri": "http://i/keys"},
        {"issuer": "https://i"},
        {"issuer": "https://i", "jwks_uri": 7},
        [],
    ],
)
async def test_a_discovery_document_of_another_issuer_or_without_tls_is_refused(document):
    with pytest.raises(ValueError):
        await discover("https://i", Site(**{"openid-configuration": document}).fetch)


async def test_discovery_is_below_the_issuer():
    site = Site(**{"openid-configuration": {"issuer": "https://i/realm/", "jwks_uri": "https://i/keys"}})
    assert (await discover("https://i/realm/", site.fetch)).jwks_uri == "https://i/keys"
    assert site.asked == ["https://i/realm/.well-known/openid-configuration"]


def test_only_public_keys_for_signatures_are_kept_and_not_too_many():
    usable = {"kty": "EC", "kid": "a"}
    body = {"keys": [usable, {"kty": "oct", "k": "AA"}, {"kty": "RSA", "use": "enc"}, 7, {}, *[usable] * 200]}
    assert len(read_keys(json.dumps(body).encode())) == 100
    for wrong in (b"", b"[]", b"{}", b'{"keys": {}}', b"[" * 99_999):
        with pytest.raises(ValueError):
            read_keys(wrong)
