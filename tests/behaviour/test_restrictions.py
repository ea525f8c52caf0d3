"""What a key may ask for, over HTTP: refusals in the client's dialect, lists of what it may use, and privacy by key, header, and rule."""

from __future__ import annotations

import pytest

from tests.support.live_gateway import endpoint, question

CLIENTS = [
    {"name": "all", "key": "k-all"},
    {"name": "fast-only", "key": "k-fast", "tiers": ["fast"]},
    {"name": "by-model", "key": "k-model", "models": ["ours/small", "big-alias"]},
    {"name": "by-provider", "key": "k-provider", "providers": ["theirs"]},
    {"name": "european", "key": "k-eu", "regions": ["eu"]},
    {"name": "at-home", "key": "k-home", "privacy": "local"},
]


@pytest.fixture
async def world(make_fake, make_gateway):
    local, vendor = await make_fake("local"), await make_fake("vendor")
    gateway = await make_gateway(
        [endpoint(local, "small", id="small", provider="ours")],
        [],
        [endpoint(vendor, "big", id="big", provider="theirs")],
        providers={"ours": {"region": "local"}, "theirs": {"region": "eu-west-1"}},
        privacy={"europe": ["eu", "local"]},
        aliases={"big-alias": "deep"},
        auth={"clients": CLIENTS},
        routing={"rules": [{"name": "patients", "user": "patient-*", "privacy": "local"}]},
    )
    return gateway, local, vendor


def key(name: str, **more: str) -> dict[str, str]:
    return {"x-api-key": f"k-{name}", **more}


@pytest.mark.parametrize(
    ("name", "model", "status"),
    [
        ("all", "big", 200),
        ("fast", "fast", 200),
        ("fast", "auto", 200),
        ("fast", "deep", 403),
        ("fast", "big", 403),
        ("fast", "theirs/big", 403),
        ("fast", "big-alias", 403),
        ("model", "small", 200),
        ("model", "ours/small", 200),
        ("model", "big-alias", 200),
        ("model", "big", 403),
        ("model", "theirs/big", 403),
        ("provider", "big", 200),
        ("provider", "auto", 200),
        ("provider", "small", 403),
        ("eu", "big", 200),
        ("eu", "small", 403),
        ("home", "auto", 200),
        ("home", "deep", 403),
        ("home", "nothing", 404),
    ],
)
async def test_a_key_asks_only_for_what_it_may(world, name, model, status):
    gateway, *_ = world
    answer = await gateway.ask(question(), headers=key(name), model=model)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["error"]["code"] == "permission_denied"
        assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("model", ["balanced", "deep", "claude-octoroute-deep"])
async def test_a_tier_that_a_key_may_not_ask_for_is_refused_even_if_it_has_no_endpoint(make_gateway, fake, model):
    gateway = await make_gateway([endpoint(fake, id="a")], auth={"clients": [CLIENTS[1]]})
    answer = await gateway.ask(headers=key("fast"), model=model)
    assert (answer.status_code, len(fake.requests)) == (403, 0)
    assert "its tiers are fast" in answer.json()["error"]["message"]


async def test_the_refusal_speaks_the_clients_dialect(world):
    gateway, *_ = world
    body = {"model": "big", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    anthropic = await gateway.ask(body, "/v1/messages", headers=key("fast"))
    assert (anthropic.status_code, anthropic.json()["error"]["type"]) == (403, "permission_error")
    gemini = await gateway.ask(
        {"contents": [{"parts": [{"text": "x"}]}]}, "/v1beta/models/big:generateContent", headers=key("fast")
    )
    assert (gemini.status_code, gemini.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    counted = await gateway.ask(body, "/v1/messages/count_tokens", headers=key("fast"))
    assert counted.status_code == 403


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("all", {"auto", "fast", "balanced", "deep", "small", "big", "big-alias"}),
        ("fast", {"auto", "fast", "small"}),
        ("model", {"auto", "fast", "small", "big-alias"}),
        ("provider", {"auto", "deep", "big", "big-alias"}),
        ("home", {"auto", "fast", "small"}),
    ],
)
async def test_a_key_sees_what_it_may_ask_for(world, name, listed):
    gateway, *_ = world
    told = (await gateway.get("/v1/models", headers=key(name))).json()["data"]
    assert {row["id"] for row in told} == listed
    for model in ("small", "big", "big-alias"):
        found = await gateway.get(f"/v1/models/{model}", headers=key(name))
        assert found.status_code == (200 if model in listed else 404)
    ids = {row["id"] for row in (await gateway.get("/models", headers=key(name))).json()["models"]}
    assert ids == {"small", "big"} & ({*listed, "big"} if "big-alias" in listed and name == "model" else listed) - (
        {"big"} if name == "model" else set()
    )


@pytest.mark.parametrize(
    ("classes", "status", "asked"),
    [
        ("local", 200, "local"),
        ("eu", 200, "vendor"),
        ("EU-West-1", 200, "vendor"),
        ("europe", 200, None),
        ("mars", 403, None),
        ("eu, local", 403, None),
        ("off", 200, None),
    ],
)
async def test_a_header_keeps_a_request_in_a_class(world, classes, status, asked):
    gateway, local, vendor = world
    answer = await gateway.ask(headers=key("all", **{"x-octoroute-privacy": classes}))
    assert answer.status_code == status, answer.text
    if asked is not None:
        assert (len(local.requests), len(vendor.requests)) == ((1, 0) if asked == "local" else (0, 1))
    if status == 403:
        assert "privacy class" in answer.json()["error"]["message"]


async def test_a_rule_keeps_requests_in_a_class_whatever_they_ask_for(world):
    gateway, _, vendor = world
    assert (await gateway.ask(headers=key("all"), model="auto", user="patient-7")).status_code == 200
    refused = await gateway.ask(headers=key("all"), model="big", user="patient-7")
    assert (refused.status_code, len(vendor.requests)) == (403, 0)
    assert (await gateway.ask(headers=key("all"), model="big", user="staff")).status_code == 200


async def test_an_endpoint_that_is_down_is_not_replaced_from_outside(world):
    gateway, local, vendor = world
    await local.kill()
    answer = await gateway.ask(headers=key("home"))
    assert answer.status_code in {502, 503}
    assert not vendor.requests


async def test_an_explanation_names_the_constraint(world):
    gateway, *_ = world
    told = (await gateway.ask(question(), "/v1/route", headers=key("home"))).json()
    (row,) = [row for row in told["candidates"] if row["id"] == "big"]
    assert (row["chosen"], row["reason"]) == (False, "outside the privacy class 'local': it has the region 'eu-west-1'")


async def test_a_key_is_named_in_logs_and_statistics_and_never_shown(world):
    gateway, *_ = world
    await gateway.ask(headers=key("fast"))
    text = (await gateway.get("/metrics", headers=key("all"))).text
    assert "k-fast" not in text


async def test_no_route_that_reads_shows_a_clients_key(make_gateway, fake):
    """The pattern of GHSA-6x2c-phff-wx57: secrets in what administrators may read."""
    clients = [
        {"name": "boss", "key": "boss-key-text", "role": "admin"},
        {"name": "hashed", "key_sha256": "ab" * 32},
        {"name": "seer", "key": "seer-key-text", "role": "viewer"},
    ]
    gateway = await make_gateway([endpoint(fake, id="a")], auth={"clients": clients})
    boss = {"x-api-key": "boss-key-text"}
    for path in ("/admin/config", "/admin/stats", "/admin/providers", "/health", "/metrics", "/", "/models"):
        text = (await gateway.get(path, headers=boss)).text
        assert not [secret for secret in ("boss-key-text", "seer-key-text", "ab" * 32) if secret in text], path
