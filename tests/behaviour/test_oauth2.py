"""Providers that want OAuth 2.0 access tokens instead of a key."""

from __future__ import annotations

import json

import pytest

from tests.support.fake import whole
from tests.support.issuer import FakeIssuer

MODELS = [{"name": "m", "id": "a", "provider": "p"}]


@pytest.fixture
async def tokens():
    async with FakeIssuer() as issuer:
        issuer.answers["/realm/token"] = {"access_token": "the-access-token", "token_type": "Bearer", "expires_in": 3600}
        yield issuer


def providers(fake, tokens, **more):
    oauth2 = {"token_url": f"{tokens.url}/token", "client_id": "me", "client_secret": "the-client-secret", "scope": "models"}
    return {"p": {"base_url": fake.url, "oauth2": oauth2, **more}}


@pytest.mark.parametrize("kind", ["openai", "azure", "anthropic"])
async def test_an_endpoint_gets_a_token_and_no_key(make_gateway, fake, tokens, kind):
    gateway = await make_gateway(MODELS, providers=providers(fake, tokens, kind=kind))
    for _ in range(3):
        await gateway.ask()
    assert tokens.served == ["/realm/token"]
    for request in fake.requests:
        assert request.headers["authorization"] == "Bearer the-access-token"
        assert not {"api-key", "x-api-key"} & set(request.headers)


async def test_a_token_server_that_refuses_us_is_that_endpoints_failure(make_gateway, fake, tokens):
    tokens.is_down = True
    gateway = await make_gateway(MODELS, providers=providers(fake, tokens))
    answer = await gateway.ask()
    assert answer.status_code == 502
    assert "token server" in answer.json()["error"]["message"]
    rows = [*MODELS, {"name": "m", "id": "b", "base_url": fake.url}]
    other = await make_gateway(rows, providers=providers(fake, tokens))
    for _ in range(4):
        answer = await other.ask()
        assert (answer.status_code, answer.headers["x-octoroute-endpoint"]) == (200, "b")
    assert "the-client-secret" not in (await gateway.get("/health")).text


async def test_neither_token_nor_secret_reaches_a_client_that_an_endpoint_tells_it(make_gateway, fake, tokens):
    echo = {"error": {"message": "you sent the-access-token for the-client-secret", "type": "invalid_request_error"}}
    fake.then(whole(json.dumps(echo).encode(), status=400))
    gateway = await make_gateway(MODELS, providers=providers(fake, tokens), auth={"admin_keys": ["k"]})
    answer = await gateway.ask()
    assert answer.status_code == 400
    assert "the-access-token" not in answer.text
    assert "the-client-secret" not in answer.text
    shown = (await gateway.get("/admin/config", headers={"x-api-key": "k"})).text
    assert "the-client-secret" not in shown
    assert '"client_secret":"***"' in shown.replace(" ", "")


async def test_the_health_probe_has_the_token_too(make_gateway, fake, tokens):
    gateway = await make_gateway(MODELS, providers=providers(fake, tokens), auth={"admin_keys": ["k"]})
    endpoint = gateway.app.gateway.settings.endpoints[0]
    assert await gateway.app.gateway.upstream.probe(endpoint, 5) is None
    assert fake.probes[-1].headers["authorization"] == "Bearer the-access-token"
