"""What `init` writes for what it found."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.config import loads
from octoroute.config.render.starter import LocalServer, billions, keys_in, starter, tier_by_rank, tier_by_size
from octoroute.config.render.vendors import VENDORS
from octoroute.config.schema import Names
from octoroute.domain.endpoint import Secret, Tier

ALL_KINDS = Names(kinds=("openai", "anthropic", "gemini", "azure"))
ENV = {
    "OPENAI_API_KEY": "sk-s3cret-o",
    "ANTHROPIC_API_KEY": "sk-s3cret-a",
    "GOOGLE_API_KEY": "s3cret-g",
    "AZURE_OPENAI_API_KEY": "s3cret-z",
    "AZURE_OPENAI_ENDPOINT": "https://s3cret.openai.azure.com/",
}


@pytest.mark.parametrize(
    ("model", "size", "tier"),
    [
        ("qwen3:8b", 8, "fast"),
        ("qwen3-0.6b", 0.6, "fast"),
        ("gemma3:270m", 0.27, "fast"),
        ("phi4:13.9b", 13.9, "fast"),
        ("qwen2.5-coder-14b-instruct", 14, "balanced"),
        ("Qwen3-30B-A3B", 30, "balanced"),
        ("mixtral-8x7b", 56, "deep"),
        ("llama3.3:70b", 70, "deep"),
        ("/models/gpt-oss-120b-00001-of-00002.gguf", 120, "deep"),
        ("mistral-small", None, "balanced"),
        ("llama-3.1-70b-instruct-q4_k_m", 70, "deep"),
        ("model-4bit", None, "balanced"),
    ],
)
def test_a_models_tier_is_guessed_from_its_parameter_count(model, size, tier):
    assert billions(model) == size
    assert tier_by_size(size) == tier


@pytest.mark.parametrize(
    ("sizes", "tiers"),
    [
        ([8], ["balanced"]),
        ([0.6, 8], ["fast", "deep"]),
        ([1, 8, 70], ["fast", "balanced", "deep"]),
        ([1, 2, 3, 4], ["fast", "balanced", "balanced", "deep"]),
    ],
)
def test_local_models_alone_are_ranked_against_each_other(sizes, tiers):
    assert [str(tier_by_rank(size, sizes)) for size in sizes] == tiers
    assert tier_by_rank(None, sizes) is Tier.BALANCED


def test_the_readmes_two_models_are_two_tiers():
    text = starter(
        [LocalServer(title="Ollama", base_url="http://127.0.0.1:11434/v1", models=("qwen3:0.6b", "qwen3:8b"))], [], Names()
    )
    config = loads(text, Path("c.toml"), {})
    assert {endpoint.name: str(endpoint.tier) for endpoint in config.endpoints} == {"qwen3:0.6b": "fast", "qwen3:8b": "deep"}
    assert config.routing.strategy == "learned"


def test_a_local_server_fills_the_tiers_largest_first():
    text = starter(
        [LocalServer(title="Ollama", base_url="http://127.0.0.1:11434/v1", models=("a:1b", "b:8b", "c:70b", "bge-m3"))], [], Names()
    )
    config = loads(text, Path("c.toml"), {})
    assert [(endpoint.name, endpoint.tier, endpoint.priority) for endpoint in config.endpoints] == [
        ("a:1b", Tier.FAST, 1),
        ("b:8b", Tier.BALANCED, 1),
        ("c:70b", Tier.DEEP, 1),
    ]
    assert [endpoint.name for endpoint in config.other_endpoints] == ["bge-m3"]


def test_keys_are_written_as_references_and_local_models_come_first():
    server = LocalServer(title="vLLM", base_url="http://127.0.0.1:8000/v1", models=("q-4b", "gpt-4.1"))
    text = starter([server], keys_in(ENV), ALL_KINDS)
    assert "s3cret" not in text
    config = loads(text, Path("c.toml"), ENV, ALL_KINDS)
    fast = sorted(
        (endpoint for endpoint in config.endpoints if endpoint.tier is Tier.FAST), key=lambda endpoint: -endpoint.priority
    )
    assert [endpoint.kind for endpoint in fast] == ["openai", "openai", "anthropic", "gemini"]
    assert (fast[0].name, fast[0].api_key, fast[1].api_key) == ("q-4b", None, Secret("sk-s3cret-o"))
    assert [endpoint.base_url for endpoint in config.endpoints if endpoint.name == "gpt-4.1"] == ["http://127.0.0.1:8000/v1"]
    assert '#name = "your-deployment"' in text


def test_only_installed_kinds_are_used():
    names = Names(kinds=("openai",))
    text = starter([], keys_in(ENV), names)
    assert {endpoint.kind for endpoint in loads(text, Path("c.toml"), ENV).endpoints} == {"openai"}
    assert "no provider of kind anthropic, so ANTHROPIC_API_KEY is not used" in text
    assert starter([], keys_in({"ANTHROPIC_API_KEY": "k"}), names) is None


def test_keys_that_could_not_be_used_are_not_found():
    assert keys_in({"OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": " ", "GEMINI_API_KEY": "a b", "AZURE_OPENAI_API_KEY": "k"}) == ()
    assert keys_in({"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "nonsense"}) == ()
    assert [key.variable for key in keys_in({"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "b"})] == ["GEMINI_API_KEY"]
    assert [key.vendor.name for key in keys_in(ENV)] == ["openai", "anthropic", "gemini", "azure"]


def test_an_embedding_model_alone_answers_no_chat():
    assert starter([LocalServer(title="x", base_url="http://h/v1", models=("bge-m3",))], [], Names()) is None


@given(
    st.lists(
        st.lists(st.text(max_size=30) | st.sampled_from(["auto", "${HOME}", "$$", 'a"\\', "gpt-4.1", "m:8b"]), max_size=5),
        max_size=3,
    )
)
def test_whatever_servers_call_their_models_the_file_loads(listings):
    servers = [
        LocalServer(title="x", base_url=f"http://127.0.0.1:{port}/v1", models=tuple(names))
        for port, names in enumerate(listings, 1)
    ]
    text = starter(servers, keys_in(ENV), Names())
    config = loads(text, Path("c.toml"), ENV)
    written = {endpoint.name for endpoint in (*config.endpoints, *config.other_endpoints)}
    offered = {name for names in listings for name in names}
    assert written <= offered | {model for vendor in VENDORS for model in vendor.models}
    assert {"${HOME}", "$$", 'a"\\', "m:8b"} & offered <= written


def test_the_models_of_a_server_are_counted_in_words():
    one = LocalServer(title="Ollama", base_url="http://127.0.0.1:11434/v1", models=("qwen3:8b",))
    two = LocalServer(title="vLLM", base_url="http://127.0.0.1:8000/v1", models=("a:8b", "b:8b"))
    text = starter([one, two], [], ALL_KINDS)
    assert "#   Ollama at http://127.0.0.1:11434/v1, 1 model\n" in text
    assert "#   vLLM at http://127.0.0.1:8000/v1, 2 models\n" in text
