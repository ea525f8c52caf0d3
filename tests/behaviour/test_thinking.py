"""How much to think means the same wherever it can be said; where it cannot, the answer carries a warning. Streamed and whole."""

import json

import pytest

from tests.support.kinds import by_kind
from tests.support.live_gateway import endpoint

TEXT = [{"role": "user", "content": "x"}]
ASKED = {
    "openai": ("/v1/chat/completions", {"messages": TEXT}),
    "anthropic": ("/v1/messages", {"messages": TEXT, "max_tokens": 32_000}),
    "responses": ("/v1/responses", {"input": "x"}),
}
HIGH = {
    "openai": {"reasoning_effort": "high"},
    "anthropic": {"thinking": {"type": "enabled", "budget_tokens": 24_576}},
    "responses": {"reasoning": {"effort": "high"}},
}
OFF = {
    "openai": {"reasoning_effort": "none"},
    "anthropic": {"thinking": {"type": "disabled"}},
    "responses": {"reasoning": {"effort": "none"}},
}
NOT_TOLD = "thinking: not supported by this endpoint, its default is used"
SWITCH = "thinking: effort dropped, this endpoint only supports on and off"

SERVERS = {
    # name: (settings, where it stands, high, off)
    "plain": ({}, None, (None, NOT_TOLD), (None, NOT_TOLD)),
    "gpt-oss": (
        {"model": "gpt-oss-20b"},
        "reasoning_effort",
        ("high", None),
        (None, "thinking: effort none not supported by this endpoint, its default is used"),
    ),
    "glm": ({"quirks": ["glm"]}, "thinking", ({"type": "enabled"}, SWITCH), ({"type": "disabled"}, None)),
    "vllm": ({"quirks": ["vllm"]}, "chat_template_kwargs", ({"enable_thinking": True}, SWITCH), ({"enable_thinking": False}, None)),
    "claude-4.5": (
        {"provider": "anthropic", "model": "claude-sonnet-4-5"},
        "thinking",
        ({"type": "enabled", "budget_tokens": 24_576}, None),
        ({"type": "disabled"}, None),
    ),
    "claude-3.5": (
        {"provider": "anthropic", "model": "claude-3-5-haiku"},
        "thinking",
        (None, "thinking: dropped, not supported by this model"),
        ({"type": "disabled"}, None),
    ),
    "gemini-2.5": (
        {"provider": "gemini", "model": "gemini-2.5-flash"},
        "thinkingConfig",
        ({"thinkingBudget": 24_576, "includeThoughts": True}, None),
        ({"thinkingBudget": 0}, None),
    ),
    "gemini-3": (
        {"provider": "gemini", "model": "gemini-3-flash"},
        "thinkingConfig",
        ({"thinkingLevel": "HIGH", "includeThoughts": True}, None),
        ({"thinkingLevel": "MINIMAL"}, "thinking: cannot be turned off for this model, its minimum is used"),
    ),
    "gemini-2.0": (
        {"provider": "gemini", "model": "gemini-2.0-flash", "max_output_tokens": 32_000},
        "thinkingConfig",
        (None, "thinking: not supported by this model, dropped"),
        (None, "thinking: not supported by this model, dropped"),
    ),
}


async def sent(make_gateway, fake, settings, client, more, streamed):
    fake.always(by_kind)
    gateway = await make_gateway([endpoint(fake, **settings)])
    path, body = ASKED[client]
    response = await gateway.ask({"model": "auto", **body, **more, **({"stream": True} if streamed else {})}, path)
    assert response.status_code == 200, response.text
    said = fake.requests[0].json
    return {**said, **said.get("generationConfig", {})}, response.headers.get("x-octoroute-warning")


def translated(client, settings):
    return not (client == "openai" and "provider" not in settings) and client != settings.get("provider")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("server", "client"), [(server, client) for server in SERVERS for client in ASKED if translated(client, SERVERS[server][0])]
)
@pytest.mark.parametrize(("wish", "place"), [(HIGH, 2), (OFF, 3)], ids=["high", "off"])
async def test_it_means_the_same_or_there_is_a_warning(make_gateway, fake, server, client, streamed, wish, place):
    settings, field, *_ = SERVERS[server]
    said, warning = await sent(make_gateway, fake, settings, client, wish[client], streamed)
    value, note = SERVERS[server][place]
    assert (said.get(field) if field else None) == value
    assert (warning or "").partition(";")[0] == (note or "")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("client", "settings"), [("openai", {}), ("openai", {"model": "gpt-oss-20b"}), ("anthropic", {"provider": "anthropic"})]
)
async def test_the_clients_own_words_go_to_its_own_kind_of_server(make_gateway, fake, client, settings, streamed):
    for name, value in HIGH[client].items():
        said, warning = await sent(make_gateway, fake, settings, client, HIGH[client], streamed)
        assert (said[name], warning) == (value, None)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("client", ASKED)
async def test_who_says_nothing_of_thinking_is_told_nothing(make_gateway, fake, server, client):
    said, warning = await sent(make_gateway, fake, SERVERS[server][0], client, {}, False)
    assert warning is None
    assert not {"thinking", "reasoning_effort", "thinkingConfig", "chat_template_kwargs"} & set(said)


@pytest.mark.parametrize(
    ("more", "effort"),
    [
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, "low"),
        ({"output_config": {"effort": "medium"}}, "medium"),
        ({"output_config": {"effort": "max"}}, "high"),
    ],
)
async def test_anthropics_other_ways_to_say_it(make_gateway, fake, more, effort):
    said, warning = await sent(make_gateway, fake, {"model": "gpt-oss-20b"}, "anthropic", more, False)
    assert said["reasoning_effort"] == effort
    assert warning == (None if effort != "high" else "thinking: effort max not supported by this endpoint, high is used")


@pytest.mark.parametrize(
    "more",
    [
        {"reasoning": {"effort": "high"}},
        {"thinking": {"type": "enabled", "budget_tokens": 24_576}},
        {"enable_thinking": True, "thinking_budget": 24_576},
    ],
)
async def test_openais_other_ways_to_say_it(make_gateway, fake, more):
    said, warning = await sent(
        make_gateway, fake, {"provider": "anthropic", "model": "claude-sonnet-4-5"}, "openai", {**more, "max_tokens": 32_000}, False
    )
    assert (said["thinking"], warning) == ({"type": "enabled", "budget_tokens": 24_576}, None)


async def test_what_the_hub_cannot_say_is_named(make_gateway, fake):
    said, warning = await sent(make_gateway, fake, {}, "anthropic", {"context_management": {"edits": []}}, True)
    assert "context_management" not in json.dumps(said)
    assert warning == "context_management is not passed on to this endpoint"
