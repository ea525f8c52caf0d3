"""API keys: a wrong one is rejected in the client's dialect, and none is written anywhere."""

from __future__ import annotations

import pytest

from tests.support.live_gateway import endpoint, question
from tests.support.pairs import MESSAGE, PATHS, asked_by, row


@pytest.mark.parametrize("key", ["the-right-keX", "the-right-ke", "the-right-key-and-more"])
async def test_p113_a_wrong_key_is_told_in_the_clients_dialect(make_gateway, fake, key):
    gateway = await make_gateway([row(fake)], auth={"keys": ["the-right-key"]})
    for client, path in PATHS.items():
        headers = {"x-api-key": key} if client == "anthropic" else {"authorization": f"Bearer {key}"}
        response = await gateway.ask(asked_by(client), path=path, headers=headers)
        assert response.status_code == 401
        told = response.json()
        assert (told["type"] if client == "anthropic" else told["error"]["code"]) in {"error", "invalid_api_key"}
        assert told["error"]["type"] == ("authentication_error" if client == "anthropic" else "invalid_request_error")
    assert not fake.requests


@pytest.mark.parametrize("key", [{}, {"x-api-key": "wrong"}, {"authorization": "Bearer wrong"}, {"authorization": "Basic b25l"}])
async def test_a23_a_wrong_key_is_refused_in_the_callers_dialect(make_gateway, fake, key):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["one", "two"]})
    openai, anthropic = await gateway.ask(headers=key), await gateway.ask(MESSAGE, "/v1/messages", headers=key)
    assert (openai.status_code, openai.json()["error"]["code"]) == (401, "invalid_api_key")
    assert (anthropic.status_code, anthropic.json()["type"]) == (401, "error")
    assert anthropic.json()["error"]["type"] == "authentication_error"
    assert fake.requests == []


async def test_a23_any_of_several_keys_in_either_header(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["one", "two"]})
    for key in ({"x-api-key": "one"}, {"x-api-key": "two"}, {"authorization": "Bearer one"}, {"authorization": "bearer two"}):
        assert (await gateway.ask(headers=key)).status_code == 200
    assert all("one" not in seen.headers.values() and "Bearer one" not in seen.headers.values() for seen in fake.requests)


async def test_b18_no_key_is_in_any_line_or_error_even_at_debug(make_process, fake):
    import httpx2

    from tests.support.fake import error

    fake.always(error(401, "Incorrect API key provided: sk-vendor-secret"))
    process = await make_process(
        [endpoint(fake, api_key="sk-vendor-secret", headers={"X-Team": "header-secret"})],
        auth={"keys": ["client-secret"]},
        observability={"log_level": "debug"},
    )
    async with httpx2.AsyncClient(trust_env=False) as client:
        for key in ("client-secret", "wrong-secret"):
            answer = await client.post(f"{process.url}/v1/chat/completions", json=question(), headers={"x-api-key": key})
            assert "secret" not in answer.text
    process._process.terminate()
    _, told = await process.ended()
    lines = b"".join(process.lines) + told
    assert b"upstream_misconfigured" in lines
    for secret in (b"sk-vendor-secret", b"header-secret", b"client-secret", b"wrong-secret"):
        assert secret not in lines
