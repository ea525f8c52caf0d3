"""With keys set, everything but /health* wants one of them."""

from __future__ import annotations

import pytest

from tests.support.live_gateway import endpoint, post, question, talk

CLOSED = ["/", "/v1/models", "/v1/models/auto", "/models", "/metrics", "/nope", "/v1/route", "/models/", "/v1//models"]


@pytest.fixture
async def locked(make_gateway, fake):
    return await make_gateway([endpoint(fake, id="a")], auth={"keys": ["first-key", "second-key"]})


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer first-key"},
        {"authorization": "bearer second-key"},
        {"authorization": "Bearer   second-key"},
        {"x-api-key": "first-key"},
        {"x-api-key": "wrong", "authorization": "Bearer second-key"},
        {"x-api-key": "second-key", "authorization": "Bearer wrong"},
        {"authorization": "first-key"},
        {"api-key": "first-key"},
    ],
)
async def test_either_header_with_any_of_the_keys_opens(locked, headers):
    assert (await locked.ask(headers=headers)).status_code == 200
    assert (await locked.ask({"message": "hi"}, "/chat", headers=headers)).status_code == 200
    for path in CLOSED:
        assert (await locked.client.get(path, headers=headers)).status_code != 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": "Basic first-key"},
        {"authorization": "Bearer first-key2"},
        {"authorization": "Bearer FIRST-KEY"},
        {"x-api-key": "wrong"},
        {"x-api-key": ""},
        {"x-api-key": "first-key,second-key"},
        {"authorization": "Key first-key"},
        {"api-key": "wrong"},
        {"x-goog-api-key": "wrong"},
    ],
)
async def test_without_one_it_is_401_and_nothing_is_asked(locked, fake, headers):
    answers = [
        await locked.ask(headers=headers),
        await locked.ask({"message": "hi"}, "/chat", headers=headers),
        await locked.client.get("/v1/chat/completions", headers=headers),
        *[await locked.client.get(path, headers=headers) for path in CLOSED],
    ]
    for response in answers:
        assert response.status_code == 401, response.request.url
        error = response.json()["error"]
        assert (error["code"], error["type"]) == ("invalid_api_key", "invalid_request_error")
        assert response.headers["www-authenticate"] == "Bearer"
        assert "first-key" not in response.text
    assert not fake.requests
    assert locked.metric("octoroute_client_errors_total", code="invalid_api_key") == len(answers)


async def test_health_is_open_and_tells_strangers_nothing_of_the_house(locked):
    for path in ("/health", "/health/live", "/health/ready"):
        assert (await locked.get(path)).status_code == 200
    assert "providers" not in (await locked.get("/health")).json()
    assert "providers" in (await locked.client.get("/health", headers={"x-api-key": "first-key"})).json()


async def test_a_stranger_cannot_make_us_read_a_large_body(locked):
    """The key is looked at before the body is."""
    answer = await talk(locked.url, post(b"").replace(b"content-length: 0", b"content-length: 30000000"))
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_an_endpoints_id_is_no_key_and_a_key_is_no_prompt(locked, fake):
    await locked.ask(question(), headers={"x-api-key": "first-key"})
    sent = fake.requests[0]
    assert b"first-key" not in sent.body
    assert "first-key" not in str(sent.headers)
