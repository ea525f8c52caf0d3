"""The LLM dispatcher's environment."""

import json
import tomllib
from pathlib import Path

import pytest

from octoroute.config import loads
from octoroute.config.importers import dispatcher
from octoroute.config.importers.writer import conceal, to_toml
from octoroute.config.schema import Names
from octoroute.domain.endpoint import ProviderLimits, Tier

NAMES = Names(kinds=("openai", "azure", "anthropic", "gemini"))
ALL = {
    "OPENAI_API_KEY": "s3cret-o",
    "OPENAI_TIMEOUT": "30s",
    "OPENAI_RATE_LIMIT_REQUESTS_PER_MINUTE": "60",
    "OPENAI_RATE_LIMIT_TOKENS_PER_MINUTE": "90000",
    "ANTHROPIC_API_KEY": "s3cret-a",
    "ANTHROPIC_BASE_URL": "https://api.anthropic.com/",
    "ANTHROPIC_RATE_LIMIT_REQUESTS_PER_MINUTE": "50",
    "ANTHROPIC_RATE_LIMIT_TOKENS_PER_MINUTE": "40000",
    "GOOGLE_API_KEY": "s3cret-g",
    "AZURE_OPENAI_API_KEY": "s3cret-z",
    "AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com",
    "AZURE_OPENAI_TIMEOUT": "1m30s",
    "COHERE_API_KEY": "s3cret-c",
}


def test_b4_every_vendor_arrives():
    given = dispatcher.convert(ALL, NAMES)
    assert given.problems == ()
    text = to_toml(conceal(given.tree), "test")
    assert "s3cret" not in text
    config = loads(text, Path("config.toml"), ALL, NAMES)
    assert config.limits == {
        "openai": ProviderLimits(requests_per_minute=60, tokens_per_minute=90000),
        "anthropic": ProviderLimits(requests_per_minute=50, tokens_per_minute=40000),
    }
    deep = [endpoint for endpoint in config.endpoints if endpoint.tier is Tier.DEEP]
    assert [(e.provider, e.kind) for e in deep] == [
        ("openai", "openai"),
        ("anthropic", "anthropic"),
        ("gemini", "gemini"),
        ("cohere", "openai"),
    ]
    assert deep[0].first_event_timeout_s == 30
    assert deep[0].api_key and deep[0].api_key.reveal() == "s3cret-o"
    assert deep[1].base_url == "https://api.anthropic.com/v1"
    assert tomllib.loads(text)["providers"]["azure"] == {
        "kind": "azure",
        "base_url": "https://r.openai.azure.com",
        "api_key": "${AZURE_OPENAI_API_KEY}",
        "timeout_seconds": 90,
    }
    assert any("deployments are not known" in warning for warning in given.warnings)
    assert any(warning.startswith("ANTHROPIC_BASE_URL: has no path") for warning in given.warnings)


def test_b4_each_fault_names_its_variable():
    env = {
        **ALL,
        "OPENAI_TIMEOUT": "s3cret",
        "GOOGLE_BASE_URL": "ftp://s3cret",
        "COHERE_RATE_LIMIT_REQUESTS_PER_MINUTE": "s3cret",
        "AZURE_OPENAI_ENDPOINT": "",
        "ANTHROPIC_TIMEOUT": "10ms",
    }
    problems = dispatcher.convert(env, NAMES).problems
    assert [path for path, _ in problems] == [
        "OPENAI_TIMEOUT",
        "ANTHROPIC_TIMEOUT",
        "GOOGLE_BASE_URL",
        "AZURE_OPENAI_ENDPOINT",
        "COHERE_RATE_LIMIT_REQUESTS_PER_MINUTE",
    ]
    assert not any("s3cret" in text for _, text in problems)


def test_b4_no_key_at_all():
    assert "OPENAI_API_KEY" in dispatcher.convert({"OPENAI_TIMEOUT": "30s"}, NAMES).problems[0][1]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("1h", 3600),
        ("2m", 120),
        ("1m500ms", 60.5),
        ("45", 45),
        ("1.5s", 1.5),
        ("", None),
        ("s", None),
        ("30 s", None),
        ("-3s", None),
        ("3x", None),
    ],
)
def test_b4_durations(text, seconds):
    assert dispatcher.duration_s(text) == seconds


def test_b4_the_same_in_three_syntaxes():
    tree = {
        "providers": {"p": {"base_url": "http://h/v1", "timeout_seconds": 30, "requests_per_minute": 60}},
        "models": {"fast": [{"name": "m", "provider": "p"}]},
    }
    toml = '[providers.p]\nbase_url = "http://h/v1"\ntimeout_seconds = 30\nrequests_per_minute = 60\n[[models.fast]]\nname = "m"\nprovider = "p"'
    yaml = "providers: {p: {base_url: 'http://h/v1', timeout_seconds: 30, requests_per_minute: 60}}\nmodels: {fast: [{name: m, provider: p}]}"
    one, two, three = (
        loads(text, Path(f"x.{suffix}"), {}) for suffix, text in (("toml", toml), ("json", json.dumps(tree)), ("yml", yaml))
    )
    assert one.endpoints == two.endpoints == three.endpoints
    assert one.limits == two.limits == three.limits == {"p": ProviderLimits(requests_per_minute=60)}
