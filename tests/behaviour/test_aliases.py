"""Names that clients insist on, in every dialect."""

from __future__ import annotations

import pytest

from tests.support.fake import by_wish, whole
from tests.support.live_gateway import endpoint, question, settings

ALIASES = {"gpt-4o": "auto", "gpt-*": "balanced", "gpt-*-mini": "fast", "claude-opus-4-1": "small", "best": "big", "prod": "best"}


@pytest.fixture
def tiers(fake):
    fake.always(by_wish)
    return [endpoint(fake, "small", id="s1")], [endpoint(fake, "middle")], [endpoint(fake, "big")]


@pytest.fixture
async def gateway(make_gateway, tiers):
    return await make_gateway(*tiers, aliases=ALIASES)


@pytest.mark.parametrize(
    ("model", "tier", "upstream"),
    [
        ("gpt-4o-mini", "fast", "small"),
        ("gpt-5.1-codex", "balanced", "middle"),
        ("best", "deep", "big"),
        ("prod", "deep", "big"),
        ("small", "fast", "small"),
    ],
)
async def test_c5_a_name_is_what_it_stands_for(gateway, fake, model, tier, upstream):
    answer = await gateway.ask(question(model=model))
    assert (answer.status_code, answer.headers["x-octoroute-tier"]) == (200, tier)
    assert fake.requests[0].json["model"] == upstream


async def test_auto_is_routed(gateway):
    assert (await gateway.ask(question(model="gpt-4o"))).headers["x-octoroute-strategy"] in {"rule", "default"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/responses", {"input": "hi", "store": False}),
        ("/v1/completions", {"prompt": "hi"}),
        ("/api/chat", {"messages": [{"role": "user", "content": "hi"}], "stream": False}),
        ("/v1beta/models/gpt-4o-mini:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
    ],
)
async def test_every_dialect_has_them(gateway, fake, path, body):
    answer = await gateway.ask({"model": "gpt-4o-mini", **body}, path)
    assert (answer.status_code, answer.headers["x-octoroute-tier"]) == (200, "fast")
    assert fake.requests[0].json["model"] == "small"


async def test_an_alias_goes_before_a_class_of_anthropics_names(gateway):
    body = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    for model, tier in (("claude-opus-4-1", "fast"), ("claude-opus-4-5", "deep")):
        assert (await gateway.ask({"model": model, **body}, "/v1/messages")).headers["x-octoroute-tier"] == tier


async def test_a_configured_name_or_id_of_the_same_spelling_wins(make_gateway, tiers):
    gateway = await make_gateway(*tiers, aliases={"big": "fast", "s1": "deep"})
    assert (await gateway.ask(question(model="big"))).headers["x-octoroute-tier"] == "deep"
    assert (await gateway.ask(question(model="s1"))).headers["x-octoroute-tier"] == "fast"


async def test_what_a_translated_answer_calls_its_model_is_what_the_client_asked_for(make_gateway, make_fake):
    fake = await make_fake()
    said = {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": [{"type": "text", "text": "hi"}]}
    fake.always(whole({**said, "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}))
    gateway = await make_gateway([endpoint(fake, "small", provider="anthropic")], aliases={"gpt-*": "small"})
    assert (await gateway.ask(question(model="gpt-4o"))).json()["model"] == "gpt-4o"


async def test_c5_the_lists_have_the_names_and_an_entry_for_each_that_a_glob_fits(gateway):
    listed = [one["id"] for one in (await gateway.get("/v1/models")).json()["data"]]
    assert [name for name in ALIASES if name in listed] == ["gpt-4o", "claude-opus-4-1", "best", "prod"]
    assert len(listed) == len(set(listed))
    assert (await gateway.get("/v1/models/gpt-5-mini")).json()["id"] == "gpt-5-mini"
    assert (await gateway.get("/v1/models/nowhere")).status_code == 404
    anthropic = await gateway.get("/v1/models", headers={"anthropic-version": "2023-06-01"})
    assert "gpt-4o" in [one["id"] for one in anthropic.json()["data"]]


async def test_the_reason_names_the_alias(gateway, fake):
    told = (await gateway.ask(question(model="gpt-4o-mini"), "/v1/route")).json()
    assert (told["tier"], told["endpoint"]) == ("fast", "s1")
    assert "the alias 'gpt-*-mini' stands for 'fast'" in told["reason"]
    assert not fake.requests


async def test_a_rule_about_the_name_goes_first_and_the_others_see_what_it_stands_for(make_gateway, tiers):
    rules = [
        {"name": "named", "model": "gpt-4.1", "tier": "deep"},
        {"name": "short", "max_tokens": 5, "tier": "balanced"},
    ]
    gateway = await make_gateway(*tiers, aliases={"gpt-*": "auto"}, routing={"rules": rules})
    assert (await gateway.ask(question(model="gpt-4.1"))).headers["x-octoroute-tier"] == "deep"
    assert (await gateway.ask(question("hi", model="gpt-4o"))).headers["x-octoroute-tier"] == "balanced"


async def test_a_reload_changes_them(gateway, tiers):
    assert (await gateway.ask(question(model="best"))).status_code == 200
    await gateway.reload(settings(*tiers, aliases={"better": "big"}))
    assert (await gateway.ask(question(model="best"))).status_code == 404
    assert (await gateway.ask(question(model="better"))).status_code == 200


async def test_an_embedding_model_has_aliases_too(make_gateway, make_fake):
    fake = await make_fake()
    fake.always(whole({"object": "list", "data": [], "usage": {"prompt_tokens": 1, "total_tokens": 1}}))
    tree = {"models": {"fast": [endpoint(fake, "small")], "embedding": [endpoint(fake, "nomic")]}}
    gateway = await make_gateway([endpoint(fake, "small")], aliases={"text-embedding-*": "nomic"}, models=tree["models"])
    answer = await gateway.ask({"model": "text-embedding-3-small", "input": "hi"}, "/v1/embeddings")
    assert answer.status_code == 200
    assert fake.requests[0].json["model"] == "nomic"
