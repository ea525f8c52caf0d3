"""claude-code-proxy's environment: each variable, and which configuration wins where there are several."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.config import load
from octoroute.config.importers import legacy
from octoroute.config.load import ENVIRONMENT
from octoroute.config.schema import Names
from octoroute.domain.endpoint import Secret, Tier
from octoroute.errors import ConfigError

NAMES = Names(kinds=("openai", "azure"))
KEY = {"OPENAI_API_KEY": "sk-s3cret"}
ENDPOINT = '[[models.balanced]]\nname = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'
PROVIDERS = {"providers": [{"name": "a", "api_key": "${A_KEY}", "base_url": "http://127.0.0.1:1/v1", "models": {"big": ["x"]}}]}


@pytest.fixture
def read(tmp_path):
    return lambda **env: load(None, {**KEY, **env}, tmp_path, NAMES)


@pytest.fixture
def problems(tmp_path):
    def find(**env):
        with pytest.raises(ConfigError) as caught:
            load(None, {**KEY, **env}, tmp_path, NAMES)
        assert caught.value.__notes__ == [ENVIRONMENT]
        assert "s3cret" not in str(caught.value)
        return caught.value.problems

    return find


def test_a21_a_key_alone_is_a_configuration(read):
    config = read()
    assert [(e.tier, e.model) for e in config.endpoints] == [
        (Tier.FAST, "gpt-4o-mini"),
        (Tier.BALANCED, "gpt-4o"),
        (Tier.DEEP, "gpt-4o"),
    ]
    assert {(e.provider, e.kind, e.base_url, e.first_event_timeout_s) for e in config.endpoints} == {
        ("legacy", "openai", "https://api.openai.com/v1", 90)
    }
    assert {e.api_key for e in config.endpoints} == {Secret("sk-s3cret")}
    assert {e.max_output_tokens for e in config.endpoints} == {None}
    assert (config.server.host, config.server.port, config.auth.keys) == ("0.0.0.0", 8082, ())
    assert (config.retry.max_attempts, config.health.failure_threshold, config.health.recovery_seconds) == (3, 5, 60)
    assert config.source == ENVIRONMENT
    assert any("[auth] keys is empty" in warning for warning in config.warnings)


def test_a21_openai_base_url(read):
    assert read(OPENAI_BASE_URL="http://127.0.0.1:11434/v1").endpoints[0].base_url == "http://127.0.0.1:11434/v1"


def test_a21_azure_api_version_switches_to_azure(read, problems):
    endpoint = read(AZURE_API_VERSION="2024-02-15-preview", OPENAI_BASE_URL="https://r.openai.azure.com").endpoints[0]
    assert (endpoint.kind, endpoint.api_version) == ("azure", "2024-02-15-preview")
    assert problems(AZURE_API_VERSION="2024-02-15-preview")[0].startswith("OPENAI_BASE_URL: is missing")


def test_a21_models(read):
    config = read(BIG_MODEL="b$1", SMALL_MODEL="s")
    assert [e.model for e in config.endpoints] == ["s", "b$1", "b$1"]
    assert [e.model for e in read(BIG_MODEL="b", MIDDLE_MODEL="m", SMALL_MODEL="s").endpoints] == ["s", "m", "b"]


def test_a21_d2_anthropic_api_key_is_what_clients_must_present(read):
    config = read(ANTHROPIC_API_KEY="ck-s3cret")
    assert config.auth.keys == (Secret("ck-s3cret"),)
    (warning,) = config.warnings
    assert "ANTHROPIC_API_KEY" in warning
    assert "clients" in warning
    assert "s3cret" not in warning


def test_a21_host_and_port(read, problems):
    server = read(HOST="127.0.0.1", PORT="9000").server
    assert (server.host, server.port) == ("127.0.0.1", 9000)
    assert problems(PORT="s3cret")[0].startswith('PORT: must be an integer, got the value of "${PORT}"')
    assert len(problems(PORT="70000", HOST="s3cret.example", BIG_MODEL=" ")) == 3


@pytest.mark.parametrize(
    ("given", "level"),
    [("DEBUG", "debug"), ("INFO   # or DEBUG", "info"), ("warning", "warn"), ("CRITICAL", "error"), ("ERROR", "error")],
)
def test_a21_log_level_is_its_first_word(read, given, level):
    assert read(LOG_LEVEL=given).observability.log_level == level


def test_a21_log_level_that_is_none(problems):
    assert problems(LOG_LEVEL="loud")[0].startswith("LOG_LEVEL: must be one of trace, debug")


def test_a21_d10_token_limits_only_if_set(read):
    config = read(MAX_TOKENS_LIMIT="4096", MIN_TOKENS_LIMIT="100")
    assert {e.max_output_tokens for e in config.endpoints} == {4096}
    assert any(warning.startswith("MIN_TOKENS_LIMIT: not used") for warning in config.warnings)


def test_a21_d8_timeout_and_retries(read):
    config = read(REQUEST_TIMEOUT="30", MAX_RETRIES="0")
    assert config.endpoints[0].first_event_timeout_s == 30
    assert config.retry.max_attempts == 1


def test_a21_custom_headers(read, problems):
    config = read(CUSTOM_HEADER_X_API_KEY="abc", CUSTOM_HEADER_Accept="*/*", CUSTOM_HEADER_="no")
    assert config.endpoints[0].headers == (("Accept", "*/*"), ("X-API-KEY", "abc"))
    assert problems(CUSTOM_HEADER_X_A="s3cret\n")[0].startswith("CUSTOM_HEADER_X_A: is not a valid HTTP header value")
    assert problems(CUSTOM_HEADER_HOST="x")[0].startswith("CUSTOM_HEADER_HOST: is written by octoroute itself")


def test_a24_a_header_that_stands_for_the_key_is_said(read):
    config = read(CUSTOM_HEADER_Authorization="Bearer s3cret")
    assert config.endpoints[0].headers == (("Authorization", "Bearer s3cret"),)
    assert any("sent instead of OPENAI_API_KEY" in warning for warning in config.warnings)


def test_a21_an_empty_variable_is_not_set(read, tmp_path):
    assert read(**dict.fromkeys(legacy.LegacyVariables.__struct_fields__[1:], "")).endpoints == read().endpoints
    with pytest.raises(ConfigError, match="no configuration"):
        load(None, {"OPENAI_API_KEY": ""}, tmp_path, NAMES)


def test_every_variable_has_a_test():
    text = Path(__file__).read_text("utf-8")
    for name in (*legacy.LegacyVariables.__struct_fields__, *legacy.ServerVariables.__struct_fields__):
        assert text.count(name) >= 1, name


def test_octoroute_api_key_is_a_clients_key_too(read):
    assert read(OCTOROUTE_API_KEY="k", ANTHROPIC_API_KEY="l").auth.keys == (Secret("k"),)


def test_a2_files_are_looked_for_in_order_and_before_the_environment(tmp_path):
    (tmp_path / "config").mkdir()
    text = json.dumps(PROVIDERS)
    for name in ("providers.json", "config/providers.json", "octoroute.toml", "config.toml"):
        (tmp_path / name).write_text(ENDPOINT if name.endswith("toml") else text)
        assert load(None, {**KEY, "A_KEY": "k"}, tmp_path, NAMES).source == str(tmp_path / name)


@pytest.mark.parametrize("name", ["providers.example.json", "config/providers.example.json"])
def test_a2_an_example_is_never_loaded(tmp_path, name):
    (tmp_path / "config").mkdir()
    (tmp_path / name).write_text(json.dumps(PROVIDERS))
    with pytest.raises(ConfigError) as caught:
        load(None, {"A_KEY": "k"}, tmp_path, NAMES)
    (problem,) = caught.value.problems
    assert f"cp {name} {name.replace('.example', '')}" in problem


def test_a22_a_file_wins_over_the_environment_and_says_so(tmp_path):
    (tmp_path / "providers.json").write_text(json.dumps(PROVIDERS))
    config = load(None, {**KEY, "A_KEY": "k", "BIG_MODEL": "b"}, tmp_path, NAMES)
    assert [e.provider for e in config.endpoints] == ["a"]
    (warning,) = config.warnings
    assert warning.startswith("OPENAI_API_KEY, BIG_MODEL: set in the environment but not used, because the file takes precedence")
    assert "s3cret" not in warning


def test_a22_our_own_file_wins_too(tmp_path):
    (tmp_path / "config.toml").write_text(ENDPOINT)
    assert load(None, KEY, tmp_path, NAMES).warnings == (), "a mere key is on many machines"
    (warning,) = load(None, {**KEY, "SMALL_MODEL": "b"}, tmp_path, NAMES).warnings
    assert "the file takes precedence" in warning


def test_a22_what_the_file_names_is_not_warned_of(tmp_path):
    text = json.dumps(PROVIDERS).replace("A_KEY", "OPENAI_API_KEY")
    (tmp_path / "providers.json").write_text(text)
    assert load(None, KEY, tmp_path, NAMES).warnings == ()


def test_a22_a_file_without_a_usable_provider_gives_way_to_the_environment(tmp_path):
    (tmp_path / "providers.json").write_text(json.dumps(PROVIDERS))
    config = load(None, KEY, tmp_path, NAMES)
    assert {e.provider for e in config.endpoints} == {"legacy"}
    assert "A_KEY" in config.warnings[0]
    assert "OPENAI_API_KEY" in config.warnings[0]
    assert config.source == str(tmp_path / "providers.json"), "a reload reads the file again"


def test_beside_a_providers_json_the_process_is_told_where_to_listen(tmp_path):
    (tmp_path / "providers.json").write_text(json.dumps(PROVIDERS))
    env = {"A_KEY": "k"}
    config = load(None, env, tmp_path, NAMES)
    assert (config.server.host, config.server.port) == ("127.0.0.1", 3000)
    config = load(None, {**env, "PORT": "9000", "HOST": "::1", "LOG_LEVEL": "DEBUG", "OCTOROUTE_API_KEY": "c"}, tmp_path, NAMES)
    assert (config.server.host, config.server.port, config.observability.log_level) == ("::1", 9000, "debug")
    assert config.auth.keys == (Secret("c"),)


def test_variables_mean_nothing_beside_our_own_file(tmp_path):
    (tmp_path / "config.toml").write_text(ENDPOINT)
    assert load(None, {"PORT": "9000", "LOG_LEVEL": "DEBUG"}, tmp_path, NAMES).server.port == 3000


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


@given(
    st.dictionaries(st.sampled_from([*legacy.LegacyVariables.__struct_fields__, *legacy.ServerVariables.__struct_fields__]), TEXT)
)
def test_whatever_the_environment_holds_is_read_or_refused_in_words(env):
    marked = {name: f"{value}s3cret{value}" if len(value) > 3 else value for name, value in env.items()}
    try:
        config = load(None, {**KEY, **marked}, Path("/nowhere"), NAMES)
    except ConfigError as error:
        assert "s3cret" not in "".join(error.problems)
        assert all(problem.partition(":")[0] in {*marked, "OPENAI_BASE_URL", "no configuration"} for problem in error.problems), (
            error.problems
        )
    else:
        assert len(config.endpoints) == 3
