"""claude-code-router's config.json. Ten whole files are in test_registry.py."""

from __future__ import annotations

import pytest

from octoroute.config.importers.claude_code_router import convert


def provider(name: str = "p", *models: str, **more):
    return {"name": name, "api_base_url": "https://x.example.com/v1/chat/completions", "models": list(models or ("m",)), **more}


def test_scenarios_are_tiers_and_rules():
    router = {
        "default": "p,a",
        "background": "p,b",
        "think": "p,c",
        "longContext": "p,d",
        "longContextThreshold": 1000,
        "image": "p,a",
    }
    tree = convert({"Providers": [provider("p", "a", "b", "c", "d-1b", "d")], "Router": router}).tree
    tiers = {row["name"]: (tier, row.get("priority")) for tier, rows in tree["models"].items() for row in rows}
    assert (tiers["a"], tiers["b"], tiers["c"]) == (("balanced", 2), ("fast", 2), ("deep", 2))
    assert tiers["d-1b"] == ("fast", None)
    assert tree["routing"]["rules"] == [
        {"name": "think", "request_type": "thinking", "endpoint": "c"},
        {"name": "image", "request_type": "vision", "override": True, "endpoint": "a"},
        {"name": "longContext", "min_tokens": 1000, "override": True, "endpoint": "d"},
    ]


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("https://api.deepseek.com/chat/completions", "https://api.deepseek.com"),
        ("https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1"),
        ("https://generativelanguage.googleapis.com/v1beta/models/", "https://generativelanguage.googleapis.com/v1beta"),
        ("http://127.0.0.1:1234/v1", "http://127.0.0.1:1234/v1"),
    ],
)
def test_the_address_is_without_its_route(url, root):
    tree = convert({"Providers": [provider(api_base_url=url)], "Router": {}}).tree
    assert tree["providers"]["p"]["base_url"] == root


@pytest.mark.parametrize("key", ["$MY_KEY", "${MY_KEY}"])
def test_a_variable_stays_one(key):
    assert convert({"Providers": [provider(api_key=key)], "Router": {}}).tree["providers"]["p"]["api_key"] == "${MY_KEY}"


def test_transformers_are_kinds_quirks_and_limits():
    use = {"use": ["deepseek", ["maxtoken", {"max_tokens": 99}], "tooluse"], "b": {"use": ["enhancetool", "own"]}}
    found = convert({"Providers": [provider("p", "a", "b", transformer=use)], "Router": {}})
    rows = {row["name"]: row for rows in found.tree["models"].values() for row in rows}
    assert (rows["a"]["quirks"], rows["a"]["max_output_tokens"]) == (["deepseek"], 99)
    assert rows["b"]["quirks"] == ["deepseek", "mend-tool-calls"]
    assert found.warnings[0].startswith("Providers[0].transformer.b: the transformer own has no counterpart")


def test_a_model_of_two_providers_has_two_names():
    found = convert({"Providers": [provider("p", "m"), provider("q", "m")], "Router": {"default": "q,m"}})
    names = [row["name"] for rows in found.tree["models"].values() for row in rows]
    assert sorted(names) == ["m", "m@q"]


def test_a_target_that_is_not_there_is_named():
    found = convert({"Providers": [provider()], "Router": {"default": "p,other"}})
    assert "Router.default: p,other is not among the models of Providers; it is left out" in found.warnings


def test_the_process():
    tree = convert(
        {"Providers": [provider()], "Router": {}, "PORT": 1, "HOST": "0.0.0.0", "APIKEY": "k", "PROXY_URL": "http://p:1"}
    ).tree
    assert tree["server"] == {"port": 1, "host": "0.0.0.0", "upstream": "aiohttp"}
    assert tree["auth"] == {"keys": ["k"]}
    assert tree["providers"]["p"]["proxy"] == "http://p:1"
