"""claude-code-proxy's providers.json: read to the letter, and the order its guide promises kept."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from octoroute.config import Config, load, loads
from octoroute.config.schema import Names
from octoroute.domain.endpoint import CHAT_TIERS, Secret, Tier
from octoroute.errors import ConfigError

DATA = Path(__file__).parents[3] / "data" / "providers_json"
NAMES = Names(kinds=("openai", "azure", "anthropic", "gemini"))
MINIMAL = {"name": "a", "api_key": "sk-a", "base_url": "http://127.0.0.1:1/v1", "models": {"big": ["x"]}}
GUIDE_ENV = {
    "OPENAI_API_KEY": "sk-o",
    "AZURE_API_KEY": "az",
    "AZURE_BASE_URL": "https://r.openai.azure.com",
    "CHEAP_API_KEY": "c",
} | {
    "PREMIUM_API_KEY": "p",
    "US_EAST_API_KEY": "u",
    "EU_WEST_API_KEY": "e",
    "ASIA_API_KEY": "s",
    "ENV_VAR_NAME": "v",
}


def provider(**changes) -> dict[str, object]:
    return {**MINIMAL, **changes}


def read(*providers: object, env: dict[str, str] | None = None, file: str = "providers.json", **top: object) -> Config:
    return loads(json.dumps({"providers": list(providers), **top}), Path(file), env or {}, NAMES)


def problems(*providers: object, env: dict[str, str] | None = None, **top: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(*providers, env=env, **top)
    return caught.value.problems


def asked(config: Config, tier: Tier) -> list[tuple[str, str]]:
    """(provider, model) in the order that `order = "priority"` means."""
    mine = [endpoint for endpoint in config.endpoints if endpoint.tier is tier]
    return [(e.provider, e.model) for e in sorted(mine, key=lambda e: -e.priority)]


def test_a1_four_fields_are_enough_and_every_default_is_the_guides():
    config = read(MINIMAL)
    (endpoint,) = config.endpoints
    assert (endpoint.id, endpoint.name, endpoint.model, endpoint.tier) == ("a/x", "x", "x", Tier.DEEP)
    assert (endpoint.kind, endpoint.provider, endpoint.base_url) == ("openai", "a", "http://127.0.0.1:1/v1")
    assert (endpoint.api_key, endpoint.headers, endpoint.api_version) == (Secret("sk-a"), (), None)
    assert endpoint.first_event_timeout_s == 90
    assert config.selection.order == "priority"
    assert config.retry.max_attempts == 0
    assert (config.health.interval_seconds, config.health.failure_threshold, config.health.recovery_seconds) == (300, 5, 60)
    assert (config.limits, config.warnings, config.source) == ({}, (), "providers.json")


@pytest.mark.parametrize("missing", ["name", "api_key", "base_url", "models"])
def test_a1_each_required_field_is_asked_for(missing):
    row = {key: value for key, value in MINIMAL.items() if key != missing}
    assert problems(row) == (f"providers[0].{missing}: is missing; add it",)


def test_a1_every_optional_field_arrives():
    config = read(
        provider(
            enabled=True, priority=7, api_version="2024-02-15-preview", timeout=30, max_retries=0, custom_headers={"X-A": "1"}
        ),
        fallback_strategy="round_robin",
        health_check_interval=-1,
        circuit_breaker={"failure_threshold": 3, "recovery_timeout": 120},
    )
    (endpoint,) = config.endpoints
    assert (endpoint.kind, endpoint.api_version, endpoint.first_event_timeout_s) == ("azure", "2024-02-15-preview", 30)
    assert endpoint.headers == (("X-A", "1"),)
    assert config.selection.order == "round_robin"
    assert (config.health.interval_seconds, config.health.failure_threshold, config.health.recovery_seconds) == (0, 3, 120)


def test_a1_null_means_not_said():
    (endpoint,) = read(provider(api_version=None, priority=None, custom_headers=None, models={"big": "x", "small": None})).endpoints
    assert (endpoint.kind, endpoint.headers) == ("openai", ())


@pytest.mark.parametrize(
    ("rows", "top", "path", "hint"),
    [
        ([MINIMAL], {"fallback_strategi": "random"}, "fallback_strategi", "fallback_strategy"),
        ([provider(prority=1)], {}, "providers[0].prority", "priority"),
        ([provider(models={"big": ["x"], "midle": ["y"]})], {}, "providers[0].models.midle", "middle"),
        ([MINIMAL], {"circuit_breaker": {"failure_treshold": 1}}, "circuit_breaker.failure_treshold", "failure_threshold"),
    ],
)
def test_a1_an_unknown_key_is_refused_with_a_hint(rows, top, path, hint):
    assert problems(*rows, **top) == (f'{path}: is not a known key; did you mean "{hint}"?',)


def test_a1_the_same_in_yaml():
    text = "providers:\n- name: a\n  api_key: sk-a\n  base_url: http://127.0.0.1:1/v1\n  models:\n    big: x\n"
    assert loads(text, Path("p.yaml"), {}, NAMES).endpoints == read(MINIMAL).endpoints


def test_a3_a_disabled_provider_is_left_out_and_needs_no_variables():
    config = read(provider(name="off", enabled=False, api_key="${NOT_SET}", base_url="${NOR_THIS}"), MINIMAL)
    assert [endpoint.provider for endpoint in config.endpoints] == ["a"]
    assert config.warnings == ()


@pytest.mark.parametrize("empty", [{}, {"B_KEY": ""}])
def test_a3_a_provider_whose_variable_is_not_set_is_left_out_with_a_warning(empty):
    config = read(
        provider(name="b", api_key="${B_KEY}"),
        provider(api_key="${A_KEY}"),
        env={"A_KEY": "sk-s3cret", "B_SECRET": "s3cret", **empty},
    )
    assert [endpoint.provider for endpoint in config.endpoints] == ["a"]
    (warning,) = config.warnings
    assert "provider b" in warning
    assert "B_KEY" in warning
    assert "s3cret" not in warning


def test_a3_leaving_one_out_changes_nothing_for_the_others():
    rows = [provider(name="b", api_key="${B_KEY}", models={"big": ["m"]}), provider(models={"middle": ["m"]})]
    whole, part = read(*rows, env={"B_KEY": "k"}), read(*rows)
    assert [endpoint for endpoint in whole.endpoints if endpoint.provider == "a"] == list(part.endpoints)


def test_a3_with_none_left_the_start_fails_and_says_why():
    (problem,) = problems(provider(api_key="${A_KEY}"))
    assert "A_KEY" in problem
    assert "none can be used" in problem
    (problem,) = problems(provider(enabled=False))
    assert "enabled = false" in problem


def test_a3_strict_env_makes_it_fatal():
    (problem,) = problems(MINIMAL, provider(name="b", api_key="${B_KEY}"), strict_env=True)
    assert problem.startswith("providers[1].api_key: the environment variable B_KEY is not set")


def test_a4_x8_variables_work_anywhere_inside_any_text():
    config = read(
        provider(
            base_url="http://${HOST_PART}:1/${PATH_PART:-v1}",
            custom_headers={"Authorization": "Bearer ${T}", "X-Cost": "$$5"},
            models={"big": ["${M}", "b"]},
            timeout="${SECONDS}",
        ),
        env={"HOST_PART": "127.0.0.1", "T": "s3cret", "M": "gpt-4o", "SECONDS": "12"},
    )
    first, second = config.endpoints
    assert first.base_url == "http://127.0.0.1:1/v1"
    assert first.headers == (("Authorization", "Bearer s3cret"), ("X-Cost", "$5"))
    assert (first.name, first.model, second.model) == ("gpt-4o", "gpt-4o", "b")
    assert first.first_event_timeout_s == 12
    assert "s3cret" not in " ".join(config.warnings)


def test_a4_a_missing_variable_names_key_and_variable():
    assert problems(MINIMAL, circuit_breaker={"failure_threshold": "${N}"}) == (
        "circuit_breaker.failure_threshold: the environment variable N is not set; set it, or write ${N:-a default}",
    )
    (problem,) = problems(provider(priority="${P}"))
    assert problem.startswith("providers[0].priority: the environment variable P is not set")


def test_a4_a_value_from_the_environment_is_never_shown():
    (problem,) = problems(provider(timeout="${T}"), env={"T": "s3cret"})
    assert "providers[0].timeout" in problem
    assert "s3cret" not in problem


def test_a5_list_order_is_the_order_of_attempts():
    config = read(provider(models={"big": ["z", "a", "z", "m"], "small": "one"}))
    assert [(e.model, e.position) for e in config.endpoints if e.tier is Tier.DEEP] == [("z", 0), ("a", 1), ("m", 2)]
    assert [e.model for e in config.endpoints if e.tier is Tier.FAST] == ["one"]


def test_a5_big_middle_small_are_deep_balanced_fast():
    config = read(provider(models={"big": "b", "middle": "m", "small": "s"}))
    assert [(e.tier, e.name) for e in config.endpoints] == [(Tier.FAST, "s"), (Tier.BALANCED, "m"), (Tier.DEEP, "b")]


def test_a6_a_models_own_name_is_the_biggest_tiers():
    config = read(provider(models={"big": ["gpt-4o"], "middle": ["gpt-4o"], "small": ["gpt-4o"]}), provider(name="b"))
    found = {(e.tier, e.name, e.model) for e in config.endpoints if e.provider == "a"}
    assert found == {
        (Tier.DEEP, "gpt-4o", "gpt-4o"),
        (Tier.BALANCED, "gpt-4o@balanced", "gpt-4o"),
        (Tier.FAST, "gpt-4o@fast", "gpt-4o"),
    }


def test_a6_a_model_that_has_a_tiers_name_can_still_be_asked():
    (endpoint,) = read(provider(models={"big": "Auto"})).endpoints
    assert (endpoint.name, endpoint.model) == ("Auto@deep", "Auto")


def test_d1_smaller_is_first_becomes_higher_is_first():
    rows = [provider(name=name, priority=priority) for name, priority in (("c", 30), ("a", -1), ("b", 2), ("b2", 2))]
    config = read(*rows)
    assert [(e.provider, e.priority) for e in config.endpoints] == [("c", 1), ("a", 3), ("b", 2), ("b2", 2)]
    assert [name for name, _ in asked(config, Tier.DEEP)] == ["a", "b", "b2", "c"]


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=40))
def test_d1_the_documented_order_whatever_the_numbers(priorities):
    config = read(*(provider(name=f"p{index}", priority=priority) for index, priority in enumerate(priorities)))
    documented = [f"p{index}" for index in sorted(range(len(priorities)), key=lambda index: priorities[index])]
    assert [name for name, _ in asked(config, Tier.DEEP)] == documented


def test_d1_more_levels_than_there_are_priorities_are_refused():
    (problem,) = problems(*(provider(name=f"p{number}", priority=number) for number in range(256)))
    assert problem.startswith("providers: has more than 255 different priorities")


def test_a24_a_credential_among_the_headers_is_used_and_said():
    config = read(provider(custom_headers={"Authorization": "Bearer x"}))
    assert config.endpoints[0].headers == (("Authorization", "Bearer x"),)
    (warning,) = config.warnings
    assert warning == "providers[0].custom_headers.Authorization: is sent instead of api_key"


@pytest.mark.parametrize("name", ["Connection", "keep-alive", "TE", "Upgrade", "Proxy-Authorization", "Host", "transfer-encoding"])
def test_a24_headers_of_the_connection_are_refused(name):
    (problem,) = problems(provider(custom_headers={name: "x"}))
    assert f"custom_headers.{name}: " in problem


def test_a29_three_faults_are_three_lines():
    found = problems(provider(base_url="ftp://x"), provider(name="b", priority="high"), fallback_strategy="best")
    assert [problem.split(": ")[0] for problem in found] == ["providers[0].base_url", "providers[1].priority", "fallback_strategy"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "providers: is empty"),
        ([MINIMAL, MINIMAL], "providers[1].name: is also the name of providers[0]"),
        ([provider(models={})], "providers[0].models: has no model"),
        ([provider(models={"big": []})], "providers[0].models: has no model"),
        (["text"], "providers[0]: must be a table"),
        ([provider(models=["x"])], "providers[0].models: must be a table"),
        ([provider(models={"big": [1]})], "providers[0].models.big[0]: must be a string"),
        ([provider(api_key=5)], "providers[0].api_key: must be a string, got an integer"),
        ([provider(custom_headers={"X": None})], "providers[0].custom_headers.X: must be a string"),
    ],
)
def test_a29_nonsense_is_refused_where_it_stands(rows, said):
    found = problems(*rows)
    assert len(found) == 1
    assert found[0].startswith(said)


def test_x7_max_retries_is_not_passed_over_in_silence():
    (warning,) = read(provider(max_retries=3)).warnings
    assert warning.startswith("providers[0].max_retries: not used")
    assert read(provider(max_retries=0)).warnings == ()


def test_ids_do_not_collide():
    rows = [
        provider(name="a/b", models={"big": ["c", "gpt@balanced"], "middle": ["gpt@balanced"]}),
        provider(models={"big": "b/c"}),
        provider(name="größe", models={"big": ["x y", "gpt"], "middle": ["gpt"]}),
    ]
    config = read(*rows)
    assert len({endpoint.id for endpoint in config.endpoints}) == 7
    by_name = {}
    for endpoint in config.endpoints:
        assert by_name.setdefault(endpoint.name, endpoint.tier) is endpoint.tier


def test_the_guides_high_availability():
    config = load(DATA / "high_availability.json", GUIDE_ENV, DATA, NAMES)
    assert asked(config, Tier.DEEP) == [
        ("openai-primary", "gpt-4o"),
        ("openai-primary", "gpt-4-turbo"),
        ("azure-backup", "gpt-4o"),
        ("azure-backup", "gpt-4"),
        ("local-ollama", "llama3.1:70b"),
    ]
    assert asked(config, Tier.BALANCED) == asked(config, Tier.DEEP)
    assert asked(config, Tier.FAST) == [
        ("openai-primary", "gpt-4o-mini"),
        ("openai-primary", "gpt-3.5-turbo"),
        ("azure-backup", "gpt-4o-mini"),
        ("azure-backup", "gpt-35-turbo"),
        ("local-ollama", "llama3.1:8b"),
    ]
    assert {e.provider: e.kind for e in config.endpoints} == {
        "openai-primary": "openai",
        "azure-backup": "azure",
        "local-ollama": "openai",
    }
    assert (config.health.failure_threshold, config.health.recovery_seconds) == (3, 120)


@pytest.mark.parametrize(
    ("file", "providers"),
    [("cost.json", ["cheap-provider", "premium-provider"]), ("geographic.json", ["us-east", "eu-west", "asia-pacific"])],
)
def test_the_guides_cost_and_geography(file, providers):
    config = load(DATA / file, GUIDE_ENV, DATA, NAMES)
    for tier in CHAT_TIERS:
        assert [name for name, _ in asked(config, tier)] == providers


@pytest.mark.parametrize("file", ["migration_guide.json", "migration_changelog.json"])
def test_the_migration_examples(file):
    config = load(DATA / file, GUIDE_ENV, DATA, NAMES)
    assert [(e.tier, e.provider, e.model) for e in config.endpoints] == [
        (Tier.FAST, "openai", "gpt-4o-mini"),
        (Tier.BALANCED, "openai", "gpt-4o"),
        (Tier.DEEP, "openai", "gpt-4o"),
    ]
    assert config.warnings == ()


def test_every_file_of_the_guides_is_here():
    assert len(list(DATA.glob("*.json"))) == 7
    for path in DATA.glob("*.json"):
        assert load(path, GUIDE_ENV, DATA, NAMES).endpoints


KEYS = st.sampled_from(
    ["name", "api_key", "base_url", "models", "enabled", "priority", "timeout", "custom_headers", "big", "small"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "x", "${A}", "${", "$$", "http://h/v1", "${NO}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@example("${NO}", {"custom_headers": "${NO}"})
@example(None, {"models": "${NO}"})
@example({}, {"models": {"big": "${NO}"}})
@given(VALUES, st.dictionaries(KEYS, VALUES, max_size=4))
def test_a29_whatever_stands_there_is_read_or_refused_in_words(value, changes):
    for rows in ([value, MINIMAL], [{**MINIMAL, **changes}]):
        try:
            config = read(*rows, env={"A": "s3cret"}, fallback_strategy="priority")
        except ConfigError as error:
            assert "s3cret" not in "".join(error.problems)
        else:
            assert config.endpoints
