"""Which headers travel between client and endpoint, and which stop at the gateway."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.support.fake import by_wish, completion, stream, tokens, whole
from tests.support.live_gateway import endpoint
from tests.support.messages import ask, asks
from tests.support.pairs import ANTHROPIC, GOOD, MESSAGE, PATHS, asked_by, clients, kinds, row


@clients
@kinds
async def test_p111_what_proxies_and_browsers_add_stays_here(make_fake, make_gateway, client, kind):
    fake = await make_fake()
    fake.always(stream(GOOD[kind]))
    gateway = await make_gateway([row(fake, kind, api_key="the-key")], server={"cors_origins": ["https://example.org"]})
    private = {
        "x-forwarded-for": "10.1.2.3",
        "x-forwarded-proto": "https",
        "forwarded": "for=10.1.2.3",
        "via": "1.1 somewhere",
        "cookie": "session=secret",
        "cf-connecting-ip": "10.1.2.3",
        "x-real-ip": "10.1.2.3",
        "authorization": "Bearer the-clients",
        "x-api-key": "the-clients",
        "accept-encoding": "zstd",
        "origin": "https://example.org",
        "user-agent": "a-client",
    }
    await gateway.ask(asked_by(client, stream=True), path=PATHS[client], headers=private)
    arrived = "\n".join(f"{name}: {value}" for name, value in fake.requests[0].headers.items())
    for secret in ("10.1.2.3", "session=secret", "somewhere", "the-clients", "example.org", "zstd", "a-client"):
        assert secret not in arrived
    assert "the-key" in arrived


@clients
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
async def test_p112_a_compressed_answer_arrives_plain(make_fake, make_gateway, client, streams):
    fake = await make_fake()
    body = b"".join(tokens(["one"])) if streams else json.dumps(completion("one")).encode()
    headers = {"content-encoding": "gzip", "content-type": "text/event-stream" if streams else "application/json"}
    fake.always(whole(gzip.compress(body), headers=headers))
    gateway = await make_gateway([row(fake)])
    response = await gateway.ask(asked_by(client, stream=streams), path=PATHS[client])
    assert "content-encoding" not in response.headers
    assert "one" in response.text
    if not streams:
        assert int(response.headers["content-length"]) == len(response.content)


async def test_anthropics_clients_find_the_request_id_under_its_name_there(make_gateway, fake):
    gateway = await make_gateway([row(fake)])
    good = await ask(gateway)
    assert good.headers["request-id"] == good.headers["x-request-id"]
    bad = await ask(gateway, asks(messages=[]))
    assert bad.headers["request-id"] == bad.headers["x-request-id"] == bad.json()["request_id"]


async def test_c23_a_clients_beta_and_version_reach_who_understands_them_and_nobody_else(make_gateway, make_fake):
    openai, anthropic = (await make_fake("openai")).always(by_wish), (await make_fake("anthropic")).always(whole(ANTHROPIC))
    gateway = await make_gateway([endpoint(openai, "o"), endpoint(anthropic, "a", provider="anthropic")])
    told = {"anthropic-beta": "prompt-caching-2024-07-31,other", "anthropic-version": "2023-01-01"}
    for model in ("o", "a"):
        assert (await gateway.ask({**MESSAGE, "model": model}, "/v1/messages", headers=told)).status_code == 200
    assert not {"anthropic-beta", "anthropic-version"} & set(openai.requests[0].headers)
    assert {name: anthropic.requests[0].headers[name] for name in told} == told
    await gateway.ask({**MESSAGE, "model": "a"}, "/v1/messages")
    assert anthropic.requests[1].headers["anthropic-version"] == "2023-06-01"
    assert "anthropic-beta" not in anthropic.requests[1].headers


async def test_c23_a_beta_that_is_always_wanted_is_a_configured_header(make_gateway, fake):
    fake.always(whole(ANTHROPIC))
    gateway = await make_gateway([endpoint(fake, provider="anthropic", headers={"anthropic-beta": "prompt-caching-2024-07-31"})])
    await gateway.ask(MESSAGE, "/v1/messages")
    assert fake.requests[0].headers["anthropic-beta"] == "prompt-caching-2024-07-31"
