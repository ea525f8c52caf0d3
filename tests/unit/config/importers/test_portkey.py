"""Portkey's gateway configs. Ten whole files are in test_registry.py."""

from __future__ import annotations

from octoroute.config.importers.portkey import convert, convert_openrouter


def target(model: str, **more):
    return {"provider": "openai", "api_key": "k", "override_params": {"model": model}, **more}


def rows(tree):
    return {row["name"]: row for group in tree["models"].values() for row in group}


def test_a_fallback_is_an_order():
    found = rows(convert({"strategy": {"mode": "fallback"}, "targets": [target("a"), target("b"), target("c")]}).tree)
    assert [found[name]["priority"] for name in "abc"] == [255, 254, 253]


def test_a_load_balance_is_weights():
    found = rows(convert({"strategy": {"mode": "loadbalance"}, "targets": [target("a", weight=0.7), target("b", weight=0.3)]}).tree)
    assert [(found[name]["priority"], found[name]["weight"]) for name in "ab"] == [(255, 0.7), (255, 0.3)]


def test_a_config_inside_a_target_keeps_its_place():
    inner = {"strategy": {"mode": "loadbalance"}, "targets": [target("b", weight=1), target("c", weight=2)]}
    found = rows(convert({"strategy": {"mode": "fallback"}, "targets": [target("a"), inner]}).tree)
    assert [found[name]["priority"] for name in "abc"] == [255, 254, 254]


def test_parameters_are_inherited_and_the_unknown_are_named():
    found = convert(
        {
            "strategy": {"mode": "single"},
            "override_params": {"model": "m", "top_p": 1},
            "targets": [{"provider": "openai", "api_key": "k"}],
        }
    )
    assert list(rows(found.tree)) == ["m"]
    assert "targets[0]: override_params.top_p: has no counterpart; the client says it" in found.warnings


def test_the_vendor_may_be_in_the_models_name():
    found = convert({"strategy": {"mode": "single"}, "targets": [{"override_params": {"model": "@anthropic/claude-haiku-4-5"}}]})
    assert found.tree["providers"]["anthropic"]["api_key"] == "${ANTHROPIC_API_KEY}"
    assert list(rows(found.tree)) == ["claude-haiku-4-5"]


def test_openrouters_list_is_an_order():
    found = convert_openrouter({"models": ["a/x", "b/y", "a/x"], "provider": {"order": ["z"]}})
    assert {name: row["priority"] for name, row in rows(found.tree).items()} == {"a/x": 255, "b/y": 254}
    assert found.warnings[0].startswith("provider: ")
