"""LiteLLM's config.yaml. Ten whole files are in test_registry.py."""

from __future__ import annotations

import pytest

from octoroute.config.importers.litellm import convert


def one(params: dict, **more):
    found = convert({"model_list": [{"model_name": "m", "litellm_params": params, **more.pop("row", {})}], **more})
    ((_, (row, *_)),) = found.tree["models"].items()
    return found.tree["providers"][row["provider"]], row, found


@pytest.mark.parametrize(
    ("model", "kind", "base_url", "key", "sent"),
    [
        ("gpt-4o", "openai", "https://api.openai.com/v1", "${OPENAI_API_KEY}", "gpt-4o"),
        ("openai/ft:gpt-4o:me", "openai", "https://api.openai.com/v1", "${OPENAI_API_KEY}", "ft:gpt-4o:me"),
        ("claude-haiku-4-5", "anthropic", "https://api.anthropic.com/v1", "${ANTHROPIC_API_KEY}", "claude-haiku-4-5"),
        (
            "gemini/gemini-2.5-pro",
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta",
            "${GEMINI_API_KEY}",
            "gemini-2.5-pro",
        ),
        ("groq/openai/gpt-oss-20b", "openai", "https://api.groq.com/openai/v1", "${GROQ_API_KEY}", "openai/gpt-oss-20b"),
        ("openrouter/a/b:free", "openai", "https://openrouter.ai/api/v1", "${OPENROUTER_API_KEY}", "a/b:free"),
        ("ollama/qwen3:8b", "openai", "http://127.0.0.1:11434/v1", None, "qwen3:8b"),
    ],
)
def test_a_prefix_is_a_vendor(model, kind, base_url, key, sent):
    provider, row, _ = one({"model": model})
    assert (provider["kind"], provider["base_url"], provider.get("api_key"), row["model"]) == (kind, base_url, key, sent)


def test_references_stay_and_dollars_in_secrets_are_none():
    assert one({"model": "gpt-4o", "api_key": "os.environ/MY_KEY"})[0]["api_key"] == "${MY_KEY}"
    assert one({"model": "gpt-4o", "api_key": "sk-$x"})[0]["api_key"] == "sk-$$x"


def test_bedrock_has_its_region_and_its_key():
    provider, row, _ = one({"model": "bedrock/converse/us.amazon.nova-pro-v1:0", "aws_region_name": "eu-west-1"})
    assert provider == {
        "kind": "bedrock",
        "region": "eu-west-1",
        "access_key_id": "${AWS_ACCESS_KEY_ID}",
        "secret_access_key": "${AWS_SECRET_ACCESS_KEY}",
        "base_url": "https://bedrock-runtime.eu-west-1.amazonaws.com",
    }
    assert row["model"] == "us.amazon.nova-pro-v1:0"


def test_what_a_row_says_of_its_model():
    params = {"model": "gpt-4o", "order": 1, "weight": 2, "max_parallel_requests": 4, "timeout": 9, "input_cost_per_token": 2.5e-6}
    info = {"max_input_tokens": 128000, "supports_vision": False, "id": "mine", "output_cost_per_token": "1e-05"}
    _, row, _ = one(params, row={"model_info": info})
    assert row == {
        "name": "m",
        "provider": "openai",
        "model": "gpt-4o",
        "weight": 2,
        "max_in_flight": 4,
        "timeout_seconds": 9,
        "priority": 254,
        "context_window": 128000,
        "price": {"input": 2.5, "output": 10.0},
        "capabilities": ["tools", "json"],
        "id": "mine",
    }


def test_settings_of_the_router():
    _, _, found = one(
        {"model": "gpt-4o"},
        router_settings={"routing_strategy": "latency-based-routing", "num_retries": 2, "allowed_fails": 0, "cooldown_time": 5},
        general_settings={"master_key": "sk-1"},
    )
    tree = found.tree
    assert (tree["selection"], tree["retry"], tree["health"]) == (
        {"policy": "fastest"},
        {"max_attempts": 3},
        {"failure_threshold": 1, "recovery_seconds": 5},
    )
    assert tree["auth"] == {"keys": ["sk-1"], "admin_keys": ["sk-1"]}
    assert tree["server"] == {"port": 4000}


def test_what_cannot_be_used_is_left_out_and_named():
    rows = [
        {"model_name": "*", "litellm_params": {"model": "*"}},
        {"model_name": "v", "litellm_params": {"model": "vertex_ai/gemini"}},
        {"model_name": "u", "litellm_params": {"model": "openai/x", "api_base": "not a url"}},
        {"model_name": "ok", "litellm_params": {"model": "gpt-4o"}},
    ]
    found = convert({"model_list": rows})
    assert [line.partition(":")[0] for line in found.warnings[:3]] == ["model_list[0]", "model_list[1]", "model_list[2]"]
    assert sum(map(len, found.tree["models"].values())) == 1
