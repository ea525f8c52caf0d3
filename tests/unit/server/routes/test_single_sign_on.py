"""The code flow against a provider that the test answers for; tests/e2e/test_sign_in.py has a real one, and a real browser."""

from __future__ import annotations

import contextlib
from urllib.parse import parse_qs, urlsplit

import pytest

from octoroute.server.routes.single_sign_on import COOKIE, challenge
from tests.support.asgi import row, serving
from tests.support.issuer import FakeIssuer, config


@contextlib.asynccontextmanager
async def world(tmp_path=None, **login):
    async with FakeIssuer("one") as issuer:
        issuer.answers["/realm/.well-known/openid-configuration"] = {
            "issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys", "authorization_endpoint": f"{issuer.url}/auth", "token_endpoint": f"{issuer.url}/token",
        }  # fmt: skip
        auth = {
            "jwt": config(issuer, role_claim="roles"),
            "login": {"client_id": "gw", "client_secret": "the-client-secret", **login},
        }
        async with serving([row()], tables={"auth": auth}) as (app, client):
            yield issuer, app, client


async def begin(client, next_path: str = "/admin/session") -> dict[str, str]:
    answer = await client.get("/login/start", params={"next": next_path})
    assert answer.status_code == 303
    return {name: value for name, (value,) in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def grant(issuer, asked, **claims) -> None:
    """Let the provider answer the next code with this ID token."""
    changed = {"aud": "gw", "nonce": asked["nonce"], "roles": ["operator"], **claims}
    issuer.answers["/realm/token"] = {"id_token": issuer.token(**changed), "access_token": "x", "token_type": "Bearer"}


async def come_back(client, asked, **query):
    return await client.get("/login/callback", params={"code": "c", "state": asked["state"], **query})


async def test_signing_in_ends_with_a_session_of_the_tokens_principal():
    async with world() as (issuer, _, client):
        page = await client.get("/login?next=/admin/session")
        assert 'href="/login/start?next=%2Fadmin%2Fsession"' in page.text
        asked = await begin(client)
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", "gw", "S256")
        assert asked["redirect_uri"] == "http://localhost/login/callback"
        assert asked["scope"] == "openid profile email"
        grant(issuer, asked)
        answer = await come_back(client, asked)
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/session")
        assert COOKIE not in client.cookies
        found = (await client.get("/admin/session")).json()
        assert (found["name"], found["role"]) == ("ann", "operator")
        assert (await client.get("/v1/models")).status_code == 401
        again = await come_back(client, asked)
        assert again.status_code == 400


@pytest.mark.parametrize(
    ("query", "claims", "status"),
    [
        ({"state": "other"}, {}, 400),
        ({"state": ""}, {}, 400),
        ({"iss": "https://evil.example"}, {}, 400),
        ({}, {"nonce": "other"}, 401),
        ({}, {"nonce": None}, 401),
        ({}, {"aud": "octoroute"}, 401),
        ({}, {"aud": ["gw", "other"], "azp": "other"}, 401),
        ({}, {"exp": 5}, 401),
        ({}, {"iss": "https://evil.example"}, 401),
        ({}, {"sub": None}, 401),
        ({}, {"roles": ["user"]}, 403),
    ],
)
async def test_an_answer_that_is_not_for_this_sign_in_is_refused(query, claims, status):
    async with world() as (issuer, _, client):
        asked = await begin(client)
        grant(issuer, asked, **claims)
        answer = await come_back(client, asked, **query)
        assert answer.status_code == status
        assert 'role="alert"' in answer.text
        assert not client.cookies


async def test_a_browser_cannot_end_what_another_has_begun():
    async with world() as (issuer, _, client):
        asked = await begin(client)
        grant(issuer, asked)
        client.cookies.clear()
        assert (await come_back(client, asked)).status_code == 400
        assert not client.cookies


async def test_a_refusal_of_the_provider_is_said_and_its_words_are_not():
    async with world() as (_, _, client):
        for error, shown in (("access_denied", True), ("<script>", False)):
            asked = await begin(client)
            answer = await client.get("/login/callback", params={"state": asked["state"], "error": error})
            assert answer.status_code == 403
            assert (error in answer.text) is shown


async def test_a_provider_that_is_down_or_malformed_leaves_the_key_as_a_way_in():
    async with world() as (issuer, _, client):
        issuer.is_down = True
        answer = await client.get("/login/start")
        assert answer.status_code == 503
        assert 'name="key"' in answer.text
        issuer.is_down = False
        for token in ({}, {"id_token": 5}, []):
            asked = await begin(client)
            issuer.answers["/realm/token"] = token
            assert (await come_back(client, asked)).status_code == 503
        asked = await begin(client)
        issuer.is_down = True
        answer = await come_back(client, asked)
        assert answer.status_code == 401
        assert "the-client-secret" not in answer.text


@pytest.mark.parametrize(
    ("methods", "secret", "header", "field"),
    [
        (["client_secret_basic", "client_secret_post"], "the-client-secret", True, False),
        (["client_secret_post"], "the-client-secret", False, True),
        (["none"], "", False, False),
    ],
)
async def test_the_secret_is_sent_as_the_provider_wants_it_with_the_verifier_of_the_challenge(methods, secret, header, field):
    async with world(client_secret=secret) as (issuer, _, client):
        issuer.answers["/realm/.well-known/openid-configuration"]["token_endpoint_auth_methods_supported"] = methods
        asked = await begin(client)
        grant(issuer, asked)
        assert (await come_back(client, asked)).status_code == 303
        head, _, body = issuer.forms[0].partition("\r\n\r\n")
        form = parse_qs(body)
        assert ("authorization: Basic " in head, "client_secret" in form) == (header, field)
        assert challenge(form["code_verifier"][0]) == asked["code_challenge"]
        assert (form["code"], form["redirect_uri"], form["client_id"]) == (["c"], [asked["redirect_uri"]], ["gw"])


async def test_the_public_address_is_where_the_provider_sends_the_browser_back():
    async with world(public_url="https://gw.example.com/") as (_, _, client):
        assert (await begin(client))["redirect_uri"] == "https://gw.example.com/login/callback"


async def test_without_single_sign_on_there_is_no_link_and_no_route():
    async with serving([row()]) as (_, client):
        assert "single sign-on" not in (await client.get("/login")).text
        assert (await client.get("/login/start")).status_code == 404
        assert (await client.get("/login/callback")).status_code == 400


def test_the_challenge_is_that_of_the_standard():
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
