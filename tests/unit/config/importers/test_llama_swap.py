"""llama-swap's config.yaml. Ten whole files are in test_registry.py."""

from __future__ import annotations

import pytest

from octoroute.config.importers.llama_swap import convert


def one(command: str, **row):
    found = convert({"models": {"m": {"cmd": command, **row}}})
    ((tier, (table,)),) = found.tree["models"].items()
    return tier, table


@pytest.mark.parametrize(
    ("command", "window"),
    [
        ("llama-server -c 32768 -m a.gguf", 32768),
        ("llama-server --ctx-size=8192", 8192),
        ("llama-server -c 65536 -np 4", 16384),
        ("# -c 1000\nllama-server \\\n  -c 2048", 2048),
        ("vllm serve --max-model-len 40960", 40960),
        ("llama-server -c 0", None),
        ("llama-server --cache-type-k q8_0", None),
        ("llama-server -np 0 -c 4096", None),
    ],
)
def test_the_window_of_a_slot(command, window):
    assert one(command)[1].get("context_window") == window


def test_macros_are_expanded_and_a_model_has_its_own():
    found = convert(
        {
            "macros": {"size": 100, "args": "-c ${size}"},
            "models": {"a": {"cmd": "x ${args}"}, "b": {"cmd": "x ${args}", "macros": {"size": 200}}},
        }
    )
    windows = {row["name"]: row["context_window"] for rows in found.tree["models"].values() for row in rows}
    assert windows == {"a": 100, "b": 200}


def test_macros_that_grow_for_ever_do_not():
    assert "context_window" not in one("${a}${a}", macros={"a": "${a}${a}${a}${a}" * 50})[1]


@pytest.mark.parametrize(
    ("option", "tier"), [("--embeddings", "embedding"), ("--embedding", "embedding"), ("--reranking", "rerank"), ("", "balanced")]
)
def test_servers_that_are_not_for_chat(option, tier):
    assert one(f"llama-server {option} -m x.gguf")[0] == tier


def test_sizes_come_from_the_files_if_the_names_have_none():
    found = convert(
        {"models": {"quick": {"cmd": "x -m /m/Qwen3-4B-Q4.gguf"}, "clever": {"cmd": "x --model '/m/Llama-3.3-70B.gguf'"}}}
    )
    assert {tier: rows[0]["name"] for tier, rows in found.tree["models"].items()} == {"fast": "quick", "deep": "clever"}


def test_aliases_keys_and_limits():
    found = convert(
        {
            "apiKeys": ["${env.SWAP_KEY}", "b"],
            "healthCheckTimeout": 300,
            "models": {"m": {"cmd": "x", "aliases": ["gpt-4o", "m"], "concurrencyLimit": 3}},
        }
    )
    assert found.tree["aliases"] == {"gpt-4o": "m"}
    assert found.tree["providers"]["llama-swap"]["api_key"] == "${SWAP_KEY}"
    assert found.tree["providers"]["llama-swap"]["timeout_seconds"] == 420
    assert found.tree["models"]["balanced"][0]["max_in_flight"] == 3
