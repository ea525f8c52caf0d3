"""What `import` and `migrate` write: no secrets, and the same gateway."""

import json
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.config import Config, load, loads
from octoroute.config.environment import references
from octoroute.config.importers import legacy
from octoroute.config.importers.writer import conceal, lost_in_json, to_providers_json, to_toml
from octoroute.config.load import import_tree
from octoroute.config.schema import Names

DATA = Path(__file__).parents[3] / "data" / "providers_json"
NAMES = Names(kinds=("openai", "azure", "anthropic", "gemini"))


def env_for(text: str) -> dict[str, str]:
    return {name: f"http://s3cret.example/{name}" if name.endswith("URL") else f"s3cret-{name}" for name in references([text])}


def same(one: Config, two: Config) -> None:
    for part in (
        "endpoints",
        "other_endpoints",
        "limits",
        "server",
        "routing",
        "selection",
        "retry",
        "health",
        "auth",
        "observability",
    ):
        assert getattr(one, part) == getattr(two, part), part


def written(path: Path) -> tuple[str, dict[str, str]]:
    concealed = conceal(import_tree(path, {}, path.parent, NAMES).tree)
    return to_toml(concealed, "test"), dict(concealed.variables)


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_a22_an_imported_file_is_the_same_gateway(path):
    text, made = written(path)
    env = env_for(path.read_text("utf-8"))
    here = {**env, **dict.fromkeys(made, "dummy-key")}
    same(load(path, env, path.parent, NAMES), loads(text, Path("config.toml"), here, NAMES))


names = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1, max_size=8).filter(str.isprintable)
rows = st.fixed_dictionaries(
    {
        "api_key": st.sampled_from(["${K}", "sk-1", "$$2"]),
        "base_url": st.sampled_from(["http://h/v1", "${U}"]),
        "models": st.dictionaries(st.sampled_from(["big", "middle", "small"]), st.lists(names, min_size=1, max_size=3), min_size=1),
    },
    optional={
        "priority": st.integers(-5, 5),
        "enabled": st.booleans(),
        "timeout": st.integers(1, 100) | st.just("${T}"),
        "custom_headers": st.just({"Authorization": "Bearer ${K}", "X-Title": "t"}),
        "api_version": st.just("2024-10-21"),
    },
)


@given(st.lists(rows, min_size=1, max_size=4))
def test_a22_so_is_any_other(providers):
    document = {"providers": [{"name": f"p-{index}", **row} for index, row in enumerate(providers)]}
    document["providers"][0]["enabled"] = True
    env = {"K": "k", "U": "http://u/v1", "T": "9"}
    for row in document["providers"]:
        row["models"] = {size: [name.replace("$", "$$") for name in listed] for size, listed in row["models"].items()}
    text = json.dumps(document)
    direct = loads(text, Path("providers.json"), env, NAMES)
    from octoroute.config.importers.providers_json import convert

    concealed = conceal(convert(json.loads(text), env, NAMES, writing=True).tree)
    there = {**env, **{name: {"sk-1": "sk-1"}.get(_literal(document, path), "$2") for name, path in concealed.variables.items()}}
    same(direct, loads(to_toml(concealed, "test"), Path("config.toml"), there, NAMES))


def _literal(document, path):
    name = path.split(".")[1]
    return next(row["api_key"] for row in document["providers"] if row["name"] == name)


def test_a_variable_need_not_be_set_to_import(tmp_path):
    text, made = written(DATA / "high_availability.json")
    assert made == {"LOCAL_OLLAMA_API_KEY": "providers.local-ollama.api_key"}
    assert "dummy-key" not in text
    tree = tomllib.loads(text)
    assert tree["providers"]["azure-backup"]["base_url"] == "${AZURE_BASE_URL}"
    assert "enabled" not in tree["providers"]["azure-backup"]


def test_a22_literal_secrets_become_references(tmp_path):
    path = tmp_path / "p.json"
    row = {"base_url": "http://h/v1", "models": {"big": "x"}}
    headers = {"Authorization": "Bearer s3cret-h", "X-Title": "plain", "Cookie": "Bearer ${T}", "X-Api-Key": "${K:-s3cret-d}"}
    providers = [
        {**row, "name": "us-east", "api_key": "s3cret-1", "custom_headers": headers},
        {**row, "name": "us east", "api_key": "s3cret-2"},
        {**row, "name": "9", "api_key": "s3cret-3${T}"},
        {**row, "name": "x", "api_key": "${US_EAST_API_KEY}"},
        {**row, "name": "off", "api_key": "s3cret-5", "enabled": False},
    ]
    path.write_text(json.dumps({"providers": providers}))
    text, made = written(path)
    assert "s3cret" not in text
    assert made == {
        "US_EAST_API_KEY_2": "providers.us-east.api_key",
        "US_EAST_HEADER_AUTHORIZATION": "providers.us-east.headers.Authorization",
        "US_EAST_HEADER_X_API_KEY": "providers.us-east.headers.X-Api-Key",
        "US_EAST_API_KEY_3": 'providers."us east".api_key',
        "PROVIDER_9_API_KEY": "providers.9.api_key",
        "OFF_API_KEY": "providers.off.api_key",
    }
    tree = tomllib.loads(text)
    assert tree["providers"]["us-east"]["headers"]["Cookie"] == "Bearer ${T}"
    assert tree["providers"]["us-east"]["headers"]["X-Title"] == "plain"
    assert tree["providers"]["off"]["enabled"] is False


def test_a_file_of_our_own_in_yaml(tmp_path):
    path = tmp_path / "octoroute.yaml"
    path.write_text(
        "server: {port: 0}\nauth: {keys: [s3cret-c, '${C}']}\nmodels:\n  deep:\n"
        "  - {name: m, base_url: 'http://h/v1', api_key: s3cret-m, price: {input: 0.5}, weight: null}\n"
        "  - {name: m, id: two, base_url: 'http://i/v1', headers: {X-Token: s3cret-t}}\n"
    )
    text, made = written(path)
    assert "s3cret" not in text
    assert made == {
        "M_API_KEY": "models.deep[0].api_key",
        "TWO_HEADER_X_TOKEN": "models.deep[1].headers.X-Token",
        "OCTOROUTE_API_KEY": "auth.keys[0]",
    }
    env = {"M_API_KEY": "s3cret-m", "TWO_HEADER_X_TOKEN": "s3cret-t", "OCTOROUTE_API_KEY": "s3cret-c", "C": "c"}
    same(load(path, {"C": "c"}, tmp_path), loads(text, Path("config.toml"), env))


LEGACY = {
    "OPENAI_API_KEY": "s3cret-o",
    "OPENAI_BASE_URL": "http://127.0.0.1:11434/v1",
    "BIG_MODEL": "gpt-4o",
    "SMALL_MODEL": "gpt-4o-mini",
    "ANTHROPIC_API_KEY": "s3cret-a",
    "CUSTOM_HEADER_X_TEAM": "s3cret-h",
    "MAX_TOKENS_LIMIT": "4096",
    "PORT": "9000",
    "LOG_LEVEL": "WARNING # s3cret",
    "REQUEST_TIMEOUT": "30",
    "MAX_RETRIES": "4",
}


@pytest.mark.parametrize("left", [(), ("ANTHROPIC_API_KEY",), tuple(LEGACY)[1:]])
def test_a22_a_migrated_environment_is_the_same_gateway(tmp_path, left):
    env = {name: value for name, value in LEGACY.items() if name not in left}
    text = to_toml(conceal(legacy.convert(env, NAMES).tree), "test")
    assert "s3cret" not in text
    same(load(None, env, tmp_path, NAMES), loads(text, Path("config.toml"), env, NAMES))


@pytest.mark.parametrize("file", ["migration_guide.json", "migration_changelog.json"])
def test_a22_the_guides_before_becomes_its_after(file):
    before = {"OPENAI_API_KEY": "sk-your-key", "BIG_MODEL": "gpt-4o", "SMALL_MODEL": "gpt-4o-mini"}
    read = legacy.read_variables(before, NAMES)
    assert json.loads(to_providers_json(read, "openai")) == json.loads((DATA / file).read_text("utf-8"))


def test_a22_a_migrated_environment_as_providers_json(tmp_path):
    read = legacy.read_variables(LEGACY, NAMES)
    text = to_providers_json(read, "legacy")
    assert "s3cret" not in text
    direct, through = load(None, LEGACY, tmp_path, NAMES), loads(text, Path("providers.json"), LEGACY, NAMES)
    unclamped = tuple(msgspec.structs.replace(endpoint, max_output_tokens=None) for endpoint in direct.endpoints)
    assert unclamped == through.endpoints
    assert direct.health == through.health
    said = list(lost_in_json(read))
    assert [line.split(":")[0] for line in said] == ["MAX_RETRIES", "MAX_TOKENS_LIMIT", "ANTHROPIC_API_KEY", "HOST"]
