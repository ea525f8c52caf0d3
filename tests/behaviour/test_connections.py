"""How endpoints are reached: TLS (B37), proxies, connection limits (C22), clients' own keys (C7), hints (A25), odd answers (C20)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib

import pytest
import structlog

from octoroute.upstream.transports import TRANSPORTS
from tests.support.certificates import Authority
from tests.support.fake import by_wish, completion, error, event, slowly, stream, tokens, whole
from tests.support.hostile import Peer, answer, serving
from tests.support.live_gateway import endpoint, frames, question, settings, until

OK = answer(
    b'{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"finish_reason":"stop",'
    b'"message":{"role":"assistant","content":"over tls"}}]}',
    "200 OK",
    "content-type: application/json",
)
BOTH = pytest.mark.parametrize("upstream", list(TRANSPORTS))


async def answering(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(OK)


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def right(authority):
    return authority.server("IP:127.0.0.1")


@BOTH
async def test_b37_a_private_authority_is_believed_when_it_is_configured(make_gateway, authority, right, upstream):
    async with serving(answering, tls=right) as server:
        gateway = await make_gateway(
            [
                endpoint(server.url("/v1"), "theirs", id="mistrusted"),
                endpoint(server.url("/v1"), "ours", id="trusted", tls={"ca_file": str(authority.file)}),
            ],
            server={"upstream": upstream},
        )
        for _ in range(3):
            assert (await gateway.ask(model="ours")).json()["choices"][0]["message"]["content"] == "over tls"
        assert server.accepted == 1
        refused = await gateway.ask(model="theirs")
        assert refused.status_code == 502
        assert refused.json()["error"]["code"] == "upstream_untrusted"
        assert "certificate comes from an authority that is not trusted" in refused.json()["error"]["message"]
        assert (await gateway.row("mistrusted"))["circuit"] == "open"  # at once: it is our configuration, and waiting mends nothing
        assert gateway.metric("octoroute_attempts_total", endpoint="mistrusted", error="upstream_untrusted") == 1


@BOTH
async def test_b37_a_wrong_pin_is_never_sent_a_question(make_gateway, fake, authority, right, upstream):
    pin = hashlib.sha256(authority.der("IP:127.0.0.1")).hexdigest()
    async with serving(answering, tls=right) as server:
        tls = {"ca_file": str(authority.file)}
        gateway = await make_gateway(
            [
                endpoint(server.url("/v1"), "pinned", tls={**tls, "pin_sha256": ["00" * 32, pin.upper()]}),
                endpoint(server.url("/v1"), "wrong", id="wrong", priority=2, tls={**tls, "pin_sha256": ["00" * 32]}),
                endpoint(fake, "wrong", id="fallback"),
            ],
            server={"upstream": upstream},
        )
        assert (await gateway.ask(model="pinned")).status_code == 200
        assert len(server.requests) == 1
        moved_on = await gateway.ask(model="wrong")
        assert (moved_on.status_code, moved_on.headers["x-octoroute-endpoint"]) == (200, "fallback")
        assert len(server.requests) == 1
        assert (await gateway.row("wrong"))["circuit"] == "open"


@BOTH
async def test_b37_a_server_that_asks_for_our_certificate_gets_it(make_gateway, authority, upstream):
    import ssl

    strict = authority.server("IP:127.0.0.1", "DNS:strict")
    strict.verify_mode = ssl.CERT_REQUIRED
    strict.load_verify_locations(authority.file)
    authority.server("DNS:client")
    folder = authority.folder
    ours = {"client_cert": str(folder / "DNS-client.pem"), "client_key": str(folder / "DNS-client.key")}
    async with serving(answering, tls=strict) as server:
        gateway = await make_gateway(
            [
                endpoint(server.url("/v1"), "known", provider="strict"),
                endpoint(server.url("/v1"), "unknown", tls={"ca_file": str(authority.file)}),
            ],
            providers={"strict": {"tls": {"ca_file": str(authority.file), **ours}}},
            server={"upstream": upstream},
            retry={"max_attempts": 1},
        )
        assert (await gateway.ask(model="known")).status_code == 200
        assert (await gateway.ask(model="unknown")).status_code == 502
        assert len(server.requests) == 1


async def test_b37_the_probe_is_held_to_it_too(make_gateway, authority, right):
    async with serving(answering, tls=right) as server:
        gateway = await make_gateway(
            [
                endpoint(server.url("/v1"), id="good", tls={"ca_file": str(authority.file)}),
                endpoint(server.url("/v1"), id="bad", tls={"ca_file": str(authority.file), "pin_sha256": ["00" * 32]}),
            ]
        )
        await gateway.app.runtime.health_check.round()
        assert (await gateway.row("good"))["circuit"] == "closed"
        assert (await gateway.row("bad"))["circuit"] == "open"


async def test_b37_a_certificate_that_is_renewed_on_disk_is_used_after_a_reload(make_gateway, authority, right, tmp_path):
    file = tmp_path / "ca.pem"
    (tmp_path / "other").mkdir()
    file.write_bytes(Authority(tmp_path / "other").file.read_bytes())
    async with serving(answering, tls=right) as server:
        rows = [endpoint(server.url("/v1"), id="a", tls={"ca_file": str(file)})]
        gateway = await make_gateway(rows)
        assert (await gateway.ask()).status_code == 503 or (await gateway.row("a"))["circuit"] == "open"
        file.write_bytes(authority.file.read_bytes())
        await gateway.reload(settings(rows))
        await gateway.app.runtime.health_check.round()
        assert (await gateway.ask()).status_code == 200


async def test_a_proxy_carries_plain_and_encrypted_requests(make_gateway, authority, right):
    tunnelled: list[str] = []

    async def proxy(peer: Peer) -> None:
        seen = await peer.request()
        tunnelled.append(f"{seen.line} {seen.header('proxy-authorization')}")
        if not seen.line.startswith("CONNECT"):
            await peer.send(OK)
            return
        host, port = seen.line.split()[1].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pump(source, sink):
            while data := await source.read(65536):
                sink.write(data)

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pump(reader, peer.writer))
                group.create_task(pump(peer.reader, writer))
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await asyncio.shield(writer.wait_closed())

    async with serving(answering, tls=right) as vendor, serving(proxy) as way:
        url = f"http://me:pw@127.0.0.1:{way.port}"
        gateway = await make_gateway(
            [
                endpoint("http://vendor.invalid/v1", "plain", provider="p"),
                endpoint(vendor.url("/v1"), "secret", provider="p", tls={"ca_file": str(authority.file)}),
                endpoint("http://vendor.invalid/v1", "dead", provider="q"),
            ],
            providers={"p": {"proxy": url}, "q": {"proxy": "http://127.0.0.1:9"}},
            server={"upstream": "aiohttp"},
            retry={"max_attempts": 1},
        )
        assert (await gateway.ask(model="plain")).status_code == 200
        assert (await gateway.ask(model="secret")).status_code == 200
        assert tunnelled == [
            "POST http://vendor.invalid/v1/chat/completions HTTP/1.1 Basic bWU6cHc=",
            f"CONNECT 127.0.0.1:{vendor.port} HTTP/1.1 Basic bWU6cHc=",
        ]
        dead = await gateway.ask(model="dead")
        assert dead.status_code == 502
        assert "the connection to the proxy failed" in dead.json()["error"]["message"]


@BOTH
async def test_c22_a_connection_limit_is_honoured_and_nobody_is_lost(make_gateway, fake, upstream):
    fake.always(slowly(whole(completion()), 0.05))
    gateway = await make_gateway(
        [endpoint(fake, provider="p")], providers={"p": {"max_connections": 3}}, server={"upstream": upstream}
    )
    answers = await asyncio.gather(*(gateway.ask() for _ in range(12)))
    assert {answered.status_code for answered in answers} == {200}
    assert fake.most_in_flight == 3
    assert fake.connections <= 3


# clients' own keys


@pytest.fixture
async def vendors(make_fake):
    return await make_fake("forwarding"), await make_fake("other")


async def forwarding(make_gateway, vendors, *, own: str | None = "own-key", **tables):
    mine, other = vendors
    provider = {"forward_client_key": True, **({"api_key": own} if own else {})}
    return await make_gateway(
        [
            endpoint(mine, id="mine", provider="p", priority=2),
            endpoint(other, id="other", api_key="other-key", priority=1),
        ],
        providers={"p": provider},
        **tables,
    )


async def test_c7_the_clients_key_goes_to_the_vendor_that_takes_it_and_to_no_other(make_gateway, vendors):
    mine, other = vendors
    gateway = await forwarding(make_gateway, vendors)
    mine.then(error(500), by_wish)
    answered = await gateway.ask(headers={"authorization": "Bearer sk-client", "x-api-key": "sk-client-2"})
    assert answered.headers["x-octoroute-endpoint"] == "other"
    assert mine.requests[0].headers["authorization"] == "Bearer sk-client"
    assert other.requests[0].headers["authorization"] == "Bearer other-key"
    assert all("sk-client" not in value for value in other.requests[0].headers.values())
    await gateway.ask()
    assert mine.requests[1].headers["authorization"] == "Bearer own-key"
    assert len(mine.requests) == 2


async def test_c7_the_default_is_that_no_clients_key_leaves_the_house(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, api_key="own-key")])
    await gateway.ask(headers={"authorization": "Bearer sk-client", "x-api-key": "sk-client"})
    assert fake.requests[0].headers["authorization"] == "Bearer own-key"
    assert "x-api-key" not in fake.requests[0].headers


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_c7_a_clients_key_that_is_refused_is_this_clients_concern(make_gateway, vendors, status):
    mine, _ = vendors
    gateway = await forwarding(make_gateway, vendors)
    mine.always(error(status, "your key is bad", headers={"retry-after": "60"}))
    refused = await gateway.ask(headers={"x-api-key": "sk-client"})
    assert (refused.status_code, refused.json()["error"]["message"]) == (status, "your key is bad")
    assert (await gateway.row("mine"))["circuit"] == "closed"
    mine.always(by_wish)
    assert (await gateway.ask()).headers["x-octoroute-endpoint"] == "mine"


async def test_c7_a_probe_without_a_key_of_our_own_says_nothing_about_clients(make_gateway, vendors):
    mine, _ = vendors
    gateway = await forwarding(make_gateway, vendors, own=None)
    mine.models = error(401)
    await gateway.app.runtime.health_check.round()
    assert (await gateway.row("mine"))["circuit"] == "closed"
    mine.models = error(503)
    await gateway.app.runtime.health_check.round()
    assert (await gateway.row("mine"))["circuit"] == "open", "it has no key, and can be down all the same"


@pytest.mark.parametrize(
    ("headers", "arrives"),
    [
        ({"authorization": "Bearer admin-key-MMMM"}, "own-key"),
        ({"authorization": "admin-key-MMMM"}, "own-key"),
        ({"x-api-key": "admin-key-MMMM"}, "own-key"),
        ({"x-api-key": "admin-key-MMMM", "authorization": "Bearer sk-client"}, "sk-client"),
        ({"authorization": "Bearer admin-key-MMMM", "x-api-key": "sk-client"}, "sk-client"),
        ({"x-api-key": "sk-client"}, "sk-client"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_security_5_a_key_of_the_gateway_is_never_forwarded(make_gateway, vendors, headers, arrives, path):
    mine, _ = vendors
    gateway = await forwarding(make_gateway, vendors, auth={"admin_keys": ["admin-key-MMMM"]})
    assert (await gateway.ask(question(max_tokens=9), path=path, headers=headers)).status_code == 200
    assert mine.requests[0].headers["authorization"] == f"Bearer {arrives}"
    assert "MMMM" not in repr(mine.requests[0].headers)


async def test_security_5_nor_after_a_reload_that_made_it_one(make_gateway, vendors):
    mine, _ = vendors
    gateway = await forwarding(make_gateway, vendors)
    provider = {"p": {"forward_client_key": True, "api_key": "own-key"}}
    await gateway.reload(
        settings([endpoint(mine, id="mine", provider="p")], providers=provider, auth={"admin_keys": ["admin-key-NNNN"]})
    )
    await gateway.ask(headers={"x-api-key": "admin-key-NNNN"})
    assert mine.requests[-1].headers["authorization"] == "Bearer own-key"


# what an upstream says of us


def _echo(status: int, wrap):
    async def step(exchange):
        await whole(wrap(dict(exchange.seen.headers)), status=status)(exchange)

    return step


@pytest.mark.parametrize("status", [400, 404, 413, 422])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_security_12_an_upstream_that_echoes_its_request_does_not_tell_clients_our_secrets(make_gateway, fake, status, path):
    fake.always(
        _echo(status, lambda headers: {"error": {"message": "bad request", "type": "invalid_request_error", "you_sent": headers}})
    )
    gateway = await make_gateway(
        [endpoint(fake, id="a", api_key='sk-vendor/"quoted"-GGGG', headers={"X-Auth": "literal-hdr-FFFF", "X-Team": "a"})],
        retry={"max_attempts": 1},
    )
    refused = await gateway.ask(question(max_tokens=9), path=path)
    assert refused.status_code == status
    seen = f"{refused.text} {refused.headers}"
    assert "GGGG" not in seen
    assert "FFFF" not in seen
    if path == "/v1/chat/completions":
        assert refused.json()["error"]["you_sent"]["x-team"] == "a"
        assert "***" in refused.json()["error"]["you_sent"]["authorization"]
    assert "GGGG" in fake.requests[0].headers["authorization"]


SAID = "invalid request: Authorization: Bearer {authorization}; X-Auth: {auth}"
PLACES = ["status 400", "status 401", "status 429", "status 500", "in place of an answer", "first event", "later event"]
ASKED = {
    "/v1/chat/completions": question,
    "/v1/messages": lambda **more: question(max_tokens=9, **more),
    "/v1/responses": lambda **more: {"model": "auto", "input": "hello", **more},
    "/v1beta/models/auto:generateContent": lambda **_: {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("path", ASKED)
async def test_security_12_no_error_tells_a_client_or_a_log_our_secrets(make_gateway, fake, place, path, tmp_path):
    """In the words of the error, wherever it is: a status, a body with status 200, an event before the first word or after it."""

    async def step(exchange):
        seen = exchange.seen.headers
        said = {"message": SAID.format(authorization=seen["authorization"], auth=seen["x-auth"]), "type": "invalid_request_error"}
        if "event" in place:
            words = tokens(["one"])[:2] if place == "later event" else []
            await stream([*words, event({"error": said})])(exchange)
        else:
            await whole({"error": said}, int(place[-3:]) if place.startswith("status") else 200)(exchange)

    fake.always(step)
    gateway = await make_gateway(
        [endpoint(fake, id="a", api_key="sk-vendor/GGGGGGGG", headers={"X-Auth": "literal-hdr-FFFF"})],
        retry={"max_attempts": 1},
        logging={"traffic": {"enabled": True, "directory": str(tmp_path)}},
        observability={"log_level": "debug"},
    )
    streams = "event" in place
    if streams:
        path = path.replace(":generate", ":streamGenerate")
    with structlog.testing.capture_logs() as lines:
        answer = await gateway.ask(
            ASKED[path.replace(":streamGenerate", ":generate")](**({"stream": True} if streams else {})), path=path
        )
    assert len(fake.requests) == 1
    file = tmp_path / "traffic.ndjson"
    await until(lambda: file.exists() and bool(file.read_text("utf-8")))
    assert ("***" in answer.text) == (place in {"status 400", "in place of an answer", "first event", "later event"}), answer.text
    for seen in (answer.text, str(answer.headers), file.read_text("utf-8"), str(lines)):
        assert "GGGG" not in seen
        assert "FFFF" not in seen


async def test_security_12_a_body_without_our_secrets_is_relayed_byte_for_byte(make_gateway, fake):
    body = b'{ "error" : {"message":"no \\u00e9 sk-other", "x":1.50} }'

    async def step(exchange):
        exchange.head(422, {"content-type": "application/json", "content-length": str(len(body))})
        exchange.write(body)

    fake.always(step)
    gateway = await make_gateway([endpoint(fake, api_key="sk-vendor-key", headers={"X-A": "b"})])
    assert (await gateway.ask()).content == body


# virtual hosts


@BOTH
async def test_o23_the_host_header_is_the_endpoints_or_its_providers(make_gateway, fake, upstream):
    rows = [
        endpoint(fake, "one", host="qwen.team.example.com"),
        endpoint(fake, "two", host="llama.team.example.com:8443"),
        endpoint(fake, "three", provider="p"),
        endpoint(fake, "four", provider="p", host="own.example"),
        endpoint(fake, "five"),
    ]
    gateway = await make_gateway(rows, providers={"p": {"host": "shared.example"}}, server={"upstream": upstream})
    for name in ("one", "two", "three", "four", "five", "one"):
        assert (await gateway.ask(model=name)).status_code == 200
    assert [seen.headers["host"] for seen in fake.requests] == [
        "qwen.team.example.com",
        "llama.team.example.com:8443",
        "shared.example",
        "own.example",
        fake.url.split("/")[2],
        "qwen.team.example.com",
    ]


@BOTH
async def test_o23_it_is_the_tls_server_name_too_and_the_name_in_the_certificate(make_gateway, authority, upstream):
    names: list[str | None] = []
    certificate = authority.server("DNS:qwen.team.example.com")
    certificate.sni_callback = lambda _, name, __: names.append(name)
    async with serving(answering, tls=certificate) as server:
        rows = [
            endpoint(server.url("/v1"), "right", host="qwen.team.example.com:443", tls={"ca_file": str(authority.file)}),
            endpoint(server.url("/v1"), "wrong", host="other.example.com", tls={"ca_file": str(authority.file)}),
        ]
        gateway = await make_gateway(rows, server={"upstream": upstream}, retry={"max_attempts": 1})
        assert (await gateway.ask(model="right")).status_code == 200
        refused = await gateway.ask(model="wrong")
        assert (refused.status_code, refused.json()["error"]["code"]) == (502, "upstream_untrusted")
        assert (await gateway.ask(model="right")).status_code == 200
        assert server.requests[-1].header("host") == "qwen.team.example.com:443"
    assert set(names) == {"qwen.team.example.com", "other.example.com"}


async def test_o23_the_probe_has_it(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, host="qwen.team.example.com")])
    seen = []

    async def models(exchange):
        seen.append(exchange.seen.headers["host"])
        await whole({"object": "list", "data": []})(exchange)

    fake.models = models
    await gateway.app.runtime.health_check.round()
    assert seen == ["qwen.team.example.com"]


# what to do about a refusal

REFUSALS = [
    (401, "Incorrect API key provided", "invalid_api_key", "check api_key", 502),
    (403, "Country, region, or territory not supported", "unsupported_country_region_territory", "country or region", 502),
    (429, "Rate limit reached", "rate_limit_exceeded", "rate limit is reached", 429),
    (404, "The model `x` does not exist", "model_not_found", "does not offer this model", 502),
    (429, "You exceeded your current quota, check billing", "insufficient_quota", "no credit or quota left", 502),
]


@pytest.mark.parametrize(("status", "message", "code", "hint", "seen"), REFUSALS)
async def test_a25_a_refusal_comes_with_what_to_do(make_gateway, fake, status, message, code, hint, seen):
    gateway = await make_gateway([endpoint(fake)], retry={"max_attempts": 1})
    fake.always(error(status, message, code=code))
    refused = await gateway.ask()
    assert refused.status_code == seen
    assert hint in refused.headers["x-octoroute-hint"]
    if status == 404:
        assert refused.json()["error"]["code"] == "upstream_not_found", "the model was the operator's choice, not the client's"


async def test_a25_the_log_has_it_even_if_another_endpoint_answers(make_process, make_fake):
    import httpx2

    bad, good = await make_fake("bad"), await make_fake("good")
    bad.always(error(401, "Incorrect API key provided: sk-abc", code="invalid_api_key"))
    process = await make_process([endpoint(bad, id="bad", priority=2), endpoint(good, id="good")])
    async with httpx2.AsyncClient(trust_env=False) as client:
        answered = await client.post(f"{process.url}/v1/chat/completions", json=question())
    assert answered.status_code == 200
    assert "x-octoroute-hint" not in answered.headers
    line = await process.line("upstream.refused", endpoint="bad")
    assert (line["error"], "check api_key" in line["hint"], line["level"]) == ("upstream_misconfigured", True, "warning")
    assert b"sk-abc" not in b"".join(process.lines)


# odd answers


async def test_c20_json_instead_of_a_stream_is_made_into_one_and_paid_once(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)])
    fake.always(whole(completion("one two three")))
    response, data = await gateway.streamed()
    assert response.headers["content-type"].startswith("text/event-stream")
    *events, last = frames(data)
    assert last == "[DONE]"
    assert "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"]) == "one two three"
    assert [event["choices"][0]["finish_reason"] for event in events if event["choices"]][-1] == "stop"
    assert len(fake.requests) == 1


async def test_c17_a_configured_quirk_decides_how_thinking_is_asked_for(make_gateway, fake):
    gateway = await make_gateway(
        [endpoint(fake, id="glm", name="zai", quirks=["glm"]), endpoint(fake, name="plain", quirks=["ollama"])]
    )
    asked = {
        "max_tokens": 4000,
        "messages": [{"role": "user", "content": "hi"}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }
    for model in ("zai", "plain"):
        assert (await gateway.ask({**asked, "model": model}, "/v1/messages")).status_code == 200
    asked["thinking"] = {"type": "disabled"}
    assert (await gateway.ask({**asked, "model": "zai"}, "/v1/messages")).status_code == 200
    zai, plain, off = (seen.json for seen in fake.requests)
    assert zai["thinking"] == {"type": "enabled"}
    assert "thinking" not in plain
    assert off["thinking"] == {"type": "disabled"}
