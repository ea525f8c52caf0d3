"""The vendors' SDKs stop at a wrong key instead of sending it again."""

from __future__ import annotations

import pytest

from tests.support.live_gateway import endpoint

anthropic = pytest.importorskip("anthropic")
openai = pytest.importorskip("openai")


@pytest.mark.parametrize("make", [openai.AsyncOpenAI, anthropic.AsyncAnthropic])
async def test_an_sdk_with_a_wrong_key_stops_after_one_request(make_gateway, fake, make):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["right"]})
    base = f"{gateway.url}/v1" if make is openai.AsyncOpenAI else gateway.url
    async with make(base_url=base, api_key="wrong", max_retries=10) as client:
        with pytest.raises((openai.AuthenticationError, anthropic.AuthenticationError)):
            if isinstance(client, openai.AsyncOpenAI):
                await client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "hi"}])
            else:
                await client.messages.create(model="auto", max_tokens=5, messages=[{"role": "user", "content": "hi"}])
    assert gateway.metric("octoroute_client_errors_total", code="invalid_api_key") == 1
