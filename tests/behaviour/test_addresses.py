"""Addresses, paths, prefixes, and suffixes: where a request goes for each vendor and interface."""

from __future__ import annotations

import pytest

from tests.support.fake import by_wish, completion, whole
from tests.support.live_gateway import endpoint, question
from tests.support.messages import answer, ask, asks
from tests.support.pairs import ANTHROPIC, MESSAGE, PATHS, asked_by

AZURE = "/openai/deployments/gpt-mine/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("base", "more", "path"),
    [
        ("", {"api_version": "2024-10-21"}, AZURE),
        ("/", {"api_version": "2024-10-21"}, AZURE),
        ("/openai", {"api_version": "2024-10-21"}, AZURE),
        ("/openai/", {"api_version": "2024-10-21"}, AZURE),
        ("/openai/deployments/gpt-mine", {"api_version": "2024-10-21"}, AZURE),
        ("/openai/deployments/gpt-mine/", {"api_version": "2024-10-21"}, AZURE),
        ("/openai/v1", {"api_version": "2024-10-21"}, AZURE),
        ("/openai/v1", {}, "/openai/v1/chat/completions"),
        ("/openai/v1/", {}, "/openai/v1/chat/completions"),
    ],
)
async def test_p92_one_correct_address_whatever_was_pasted(make_gateway, fake, base, more, path):
    address = f"http://127.0.0.1:{fake.port}{base}"
    gateway = await make_gateway([endpoint(address, "m", provider="azure", model="gpt-mine", api_key="k", **more)])
    assert (await gateway.ask()).status_code == 200
    assert fake.requests[0].path == path
    assert fake.requests[0].headers["api-key"] == "k"


async def test_c4_a_suffix_forces_the_protocol_and_never_reaches_the_upstream(make_fake, make_gateway):
    plain, claude = await make_fake("plain"), await make_fake("claude")
    claude.always(whole(answer()))
    gateway = await make_gateway(
        [
            endpoint(plain, "m", id="o"),
            endpoint(claude, "m", id="a", provider="anthropic"),
            endpoint(plain, "real-anthropic", id="r"),
        ]
    )
    for name, seen in {"m-openai": plain, "m-anthropic": claude}.items():
        for client, path in PATHS.items():
            before = len(seen.requests)
            reply = await gateway.ask(asked_by(client, model=name), path=path)
            assert reply.status_code == 200
            assert len(seen.requests) == before + 1
            assert seen.requests[-1].json["model"] == "m"
    await gateway.ask(question(model="real-anthropic"))
    assert plain.requests[-1].json["model"] == "real-anthropic"


async def test_p110_a_providers_prefix_is_taken_off_and_kept_in_the_answer(make_gateway, fake):
    gateway = await make_gateway(
        [endpoint(fake, "llama", provider="lab")],
        providers={"lab": {"kind": "openai", "base_url": fake.url}},
        routing={"allow_provider_prefix": True},
    )
    reply = await ask(gateway, asks(model="lab/llama"))
    assert reply.status_code == 200
    assert fake.requests[0].json["model"] == "llama"
    assert reply.json()["model"] == "lab/llama"


async def test_c2_c4_one_name_at_two_interfaces_and_a_variant_for_each(make_gateway, make_fake):
    chat, messages = (await make_fake("chat")).always(by_wish), (await make_fake("messages")).always(whole(ANTHROPIC))
    gateway = await make_gateway(
        [
            endpoint(chat, "glm", id="chat", model="glm-4.6"),
            endpoint(messages, "glm", id="messages", provider="anthropic", model="glm-4.6"),
            endpoint(chat, "real-openai", id="real"),
        ]
    )
    for model, who in (("glm-openai", "chat"), ("glm-anthropic", "messages"), ("real-openai", "real")):
        assert (await gateway.ask(model=model)).headers["x-octoroute-endpoint"] == who
    assert [seen.json["model"] for seen in chat.requests] == ["glm-4.6", "real-openai"]
    assert messages.requests[0].json["model"] == "glm-4.6"
    answer = await gateway.ask({**MESSAGE, "model": "glm-openai"}, "/v1/messages")
    assert answer.json()["model"] == "glm-openai"
    assert (await gateway.ask(model="real-anthropic")).status_code == 404


VENDORS = [
    ("openai", "", "/v1/chat/completions", "authorization", "Bearer k-1"),
    ("azure", "2024-10-21", "/v1/openai/deployments/m%2F1/chat/completions?api-version=2024-10-21", "api-key", "k-1"),
    ("anthropic", "", "/v1/messages", "x-api-key", "k-1"),
    ("gemini", "", "/v1/models/m%2F1:generateContent", "x-goog-api-key", "k-1"),
]
GEMINI = {"candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}]}


@pytest.mark.parametrize(("kind", "version", "path", "header", "value"), VENDORS, ids=[row[0] for row in VENDORS])
async def test_b1_each_vendor_at_its_address_with_its_header_and_no_key_in_it(
    make_gateway, fake, kind, version, path, header, value
):
    fake.always(whole({"anthropic": ANTHROPIC, "gemini": GEMINI}.get(kind, completion("hello"))))
    more = {"api_version": version} if version else {}
    gateway = await make_gateway([endpoint(fake, provider=kind, model="m/1", api_key="k-1", **more)])
    answer = await gateway.ask()
    assert answer.json()["choices"][0]["message"]["content"] == "hello"
    (seen,) = fake.requests
    assert (seen.path, seen.headers[header]) == (path, value)
    assert "k-1" not in seen.path
    await gateway.app.runtime.health_check.round()
    assert fake.probes[0].headers[header] == value
    assert "k-1" not in fake.probes[0].path
