"""Files in, frozen structs out, and everything that is wrong said at once."""

import itertools
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.config import Config, load, loads, schema
from octoroute.config.environment import child
from octoroute.config.file import ConfigFile
from octoroute.config.load import DISCOVERED
from octoroute.config.schema import Names
from octoroute.domain.endpoint import CHAT_TIERS, Capability, Price, ProviderLimits, Secret, Tier
from octoroute.domain.request import Importance
from octoroute.errors import ConfigError

DATA = Path(__file__).parents[2] / "data"
CASES = tomllib.loads((DATA / "broken_configurations.toml").read_text("utf-8"))["case"]
SECRETS = {
    "PORT_TEXT": "s3cret-port",
    "KEY_WITH_SPACE": "sk-s3cret\n",
    "URL_WITH_KEY": "https://example.com/v1?key=s3cret",
    "NAME_TWICE": "s3cret-name",
    "HOST_NAME": "s3cret.example.com",
}
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in itertools.pairwise("abcdefghijkl")
)
"""A kilobyte that means 9**12 values."""
ENDPOINT = '[[models.balanced]]\nname = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'


def read(text: str, env: dict[str, str] | None = None, *, file: str = "config.toml", names: Names | None = None) -> Config:
    return loads(text, Path(file), env or {}, names)


def problems(text: str, env: dict[str, str] | None = None, *, file: str = "config.toml") -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(text, env, file=file)
    return caught.value.problems


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_is_broken_is_refused_with_key_reason_and_remedy(case, tmp_path):
    path = tmp_path / case.get("file", "config.toml")
    path.write_text(case["text"], "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, SECRETS, tmp_path)
    assert any(all(part in problem for part in case["says"]) for problem in caught.value.problems), caught.value.problems
    assert "s3cret" not in str(caught.value)


def test_the_table_of_broken_files_is_long_enough():
    assert len(CASES) >= 25


def test_one_mistake_is_one_problem():
    assert problems(ENDPOINT + "weight = 0\n") == (
        "models.balanced[0].weight: must be greater than 0, got 0; use a positive number such as 1.0",
    )
    for text in ('base_url = "ftp://x"', 'base_url = "${UNSET}"', "base_url = 3"):
        assert len(problems(f'[[models.fast]]\nname = "m"\n{text}\n')) == 1
    assert len(problems("models = 3")) == 1
    assert len(problems("[models]\nfast = [3]")) == 1
    assert len(problems('[providers.p]\nkind = "opena"\n' + ENDPOINT + 'provider = "p"')) == 1
    assert len(problems('[providers.p]\nbase_url = "x"\n[[models.fast]]\nname = "m"\nprovider = "p"')) == 1
    twice = '[providers.p]\nbase_url = "http://h/v1"\nheaders = {X-A = "1", x-a = "2"}\n'
    assert len(problems(twice + '[[models.fast]]\nname = "a"\nprovider = "p"\n[[models.fast]]\nname = "b"\nprovider = "p"')) == 1


def test_all_problems_come_at_once_and_name_their_file():
    with pytest.raises(ConfigError) as caught:
        read('[server]\nport = -1\nhost = "x"\n[retry]\nbackoff = "none"\n[nope]\n')
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "nope",
        "server.host",
        "server.port",
        "retry.backoff",
        "models",
    ]
    assert caught.value.__notes__ == ["config.toml"]


def test_every_default_is_the_contracts():
    config = read(ENDPOINT)
    server, routing, endpoint = config.server, config.routing, config.endpoints[0]
    assert (server.host, server.port, server.request_timeout_seconds, server.stream_idle_timeout_seconds) == (
        "127.0.0.1",
        3000,
        120,
        300,
    )
    assert (server.max_request_bytes, server.drain_timeout_seconds, server.workers) == (33554432, 30, 1)
    assert (routing.strategy, routing.default_importance, routing.default_tier) == ("learned", Importance.NORMAL, Tier.BALANCED)
    assert (routing.router_tier, routing.router_timeout_s) == (Tier.BALANCED, 10)
    assert set(routing.tier_descriptions) == set(CHAT_TIERS)
    assert (config.selection.policy, config.retry.max_attempts, config.retry.backoff) == ("weighted", 3, "exponential")
    assert (config.health.interval_seconds, config.health.failure_threshold, config.health.recovery_seconds) == (30, 3, 30)
    assert (config.auth.keys, config.observability.log_level, config.observability.log_format) == ((), "info", "auto")
    assert (endpoint.id, endpoint.name, endpoint.model, endpoint.kind, endpoint.provider) == (
        "m@127.0.0.1:1",
        "m",
        "m",
        "openai",
        "openai",
    )
    assert (endpoint.weight, endpoint.priority, endpoint.max_in_flight, endpoint.api_key, endpoint.price) == (1.0, 1, 0, None, None)
    assert (endpoint.max_tokens, endpoint.temperature, endpoint.context_window) == (None, None, None)
    assert endpoint.capabilities == frozenset(Capability)
    assert (endpoint.first_event_timeout_s, endpoint.idle_timeout_s) == (120, 300)
    assert (config.warnings, config.source, config.embedding) == ((), "config.toml", ())


def test_every_endpoint_key_arrives():
    config = read(
        """
        [timeouts]
        deep = 7
        [server]
        stream_idle_timeout_seconds = 9
        [[models.deep]]
        name = "m"
        base_url = "HTTPS://Example.com:8443/api/"
        model = "vendor/m"
        id = "deep-a"
        api_key = "sk-1"
        headers = { X-Team = "search" }
        max_tokens = 10
        temperature = 0
        weight = 2
        priority = 0
        context_window = 4096
        capabilities = []
        max_in_flight = 4
        price = { input = 1, output = 2, cached = 0.5 }
        """
    )
    endpoint = config.endpoints[0]
    assert (endpoint.id, endpoint.model, endpoint.base_url, endpoint.api_key) == (
        "deep-a",
        "vendor/m",
        "HTTPS://Example.com:8443/api",
        Secret("sk-1"),
    )
    assert (endpoint.headers, endpoint.max_tokens, endpoint.temperature, endpoint.weight) == ((("X-Team", "search"),), 10, 0.0, 2.0)
    assert (endpoint.priority, endpoint.context_window, endpoint.capabilities, endpoint.max_in_flight) == (0, 4096, frozenset(), 4)
    assert endpoint.price == Price(input=1, output=2, cached=0.5)
    assert (endpoint.first_event_timeout_s, endpoint.idle_timeout_s, endpoint.tier) == (7, 9, Tier.DEEP)
    assert "sk-1" not in repr(config)


def test_endpoints_stand_in_tier_order_and_replicas_get_ids_of_their_own():
    def endpoint(tier, port, extra=""):
        return f'[[models.{tier}]]\nname = "{tier}-m"\nbase_url = "http://h:{port}/v1"\n{extra}\n'

    config = read(
        endpoint("deep", 1)
        + endpoint("fast", 1)
        + endpoint("embedding", 1)
        + endpoint("fast", 1)
        + endpoint("fast", 1, 'id = "fast-m@h:1-2"')
    )
    assert [endpoint.id for endpoint in config.endpoints] == ["fast-m@h:1", "fast-m@h:1-3", "fast-m@h:1-2", "deep-m@h:1"]
    assert [(endpoint.id, endpoint.tier) for endpoint in config.embedding] == [("embedding-m@h:1", Tier.EMBEDDING)]


def test_an_id_made_from_any_name_fits_into_a_header():
    config = read('[[models.fast]]\nname = "modèle 8b"\nbase_url = "http://[::1]:1/v1"')
    assert config.endpoints[0].id == "mod%C3%A8le%208b@[::1]:1"


def test_endpoints_inherit_from_their_provider_and_their_own_keys_win():
    config = read(
        """
        [providers.vendor]
        base_url = "https://vendor.example/v1"
        api_key = "shared"
        headers = { X-A = "1", X-B = "1" }
        api_version = "2024-10-21"
        [providers.off]
        base_url = "https://off.example/v1"
        enabled = false
        [[models.fast]]
        name = "a"
        provider = "vendor"
        [[models.fast]]
        name = "b"
        provider = "vendor"
        base_url = "https://other.example/v1"
        api_key = "own"
        headers = { x-b = "2" }
        api_version = "v2"
        [[models.fast]]
        name = "c"
        provider = "vendor"
        api_key = ""
        [[models.fast]]
        name = "d"
        provider = "off"
        """
    )
    a, b, c = config.endpoints
    assert (a.kind, a.provider, a.base_url, a.api_key) == ("openai", "vendor", "https://vendor.example/v1", Secret("shared"))
    assert (a.headers, a.api_version) == ((("X-A", "1"), ("X-B", "1")), "2024-10-21")
    assert (b.base_url, b.api_key, b.headers, b.api_version) == (
        "https://other.example/v1",
        Secret("own"),
        (("X-A", "1"), ("x-b", "2")),
        "v2",
    )
    assert c.api_key is None


def test_a_providers_key_goes_to_no_server_that_did_not_ask_for_it():
    config = read(
        """
        [providers.openai]
        base_url = "https://api.openai.com/v1"
        api_key = "sk-1"
        [[models.fast]]
        name = "local"
        base_url = "http://127.0.0.1:11434/v1"
        [[models.fast]]
        name = "vendor"
        [[models.fast]]
        name = "proxy"
        provider = "openai"
        base_url = "http://proxy/v1"
        """
    )
    assert [(endpoint.api_key, endpoint.provider) for endpoint in config.endpoints] == [
        (None, "127.0.0.1:11434"),
        (Secret("sk-1"), "openai"),
        (Secret("sk-1"), "openai"),
    ]
    assert [endpoint.base_url for endpoint in config.endpoints][1] == "https://api.openai.com/v1"


def test_the_sample_file_of_version_1_loads():
    config = load(DATA / "v1.toml", {}, Path("/"))
    assert [(endpoint.tier, endpoint.priority) for endpoint in config.endpoints] == [
        (Tier.FAST, 1),
        (Tier.FAST, 255),
        (Tier.BALANCED, 1),
        (Tier.DEEP, 1),
    ]
    assert [endpoint.first_event_timeout_s for endpoint in config.endpoints] == [15, 15, 30, 60]
    assert len({endpoint.id for endpoint in config.endpoints}) == 4
    assert config.routing.router_timeouts.deep == 20
    assert config.observability.log_level == "info"
    (warning,) = config.warnings
    assert warning.startswith("server.host: ")
    assert "OCTOROUTE_API_KEY" in warning


@pytest.mark.parametrize(
    ("host", "warns"),
    [("0.0.0.0", True), ("::", True), ("10.0.0.1", True), ("::1", False), ("127.9.9.9", False), ("localhost", False)],
)
def test_an_open_door_is_a_warning_unless_it_has_a_lock(host, warns):
    assert bool(read(f'[server]\nhost = "{host}"\n{ENDPOINT}').warnings) is warns
    assert read(f'[server]\nhost = "{host}"\n[auth]\nkeys = ["k"]\n{ENDPOINT}').warnings == ()


def test_a_provider_named_like_another_kind_is_a_warning():
    names = Names(kinds=("openai", "anthropic"))
    text = '[providers.anthropic]\nbase_url = "http://h/v1"\n'
    (warning,) = read(text + ENDPOINT, names=names).warnings
    assert warning.startswith("providers.anthropic.kind: ")
    assert read(text + 'kind = "anthropic"\n' + ENDPOINT, names=names).warnings == ()


def test_installed_names_decide_what_is_known():
    names = Names(strategies=("rule", "oracle"), kinds=("openai", "telex"), policies=("weighted", "whim"))
    text = '[routing]\nstrategy = "oracle"\n[selection]\npolicy = "whim"\n' + ENDPOINT + 'provider = "telex"\n'
    config = read(text, names=names)
    assert (config.routing.strategy, config.selection.policy, config.endpoints[0].kind) == ("oracle", "whim", "telex")
    assert len(problems(text)) == 3


def test_json_and_yaml_hold_the_same_schema():
    toml = read('[server]\nport = 1\n[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"', file="c.toml")
    json = read(
        '{"server": {"port": 1}, "models": {"fast": [{"name": "m", "base_url": "http://h/v1", "id": null}]}}', file="c.json"
    )
    yaml = read("server:\n  port: 1\nretry:\nmodels:\n  fast:\n    - {name: m, base_url: 'http://h/v1'}\n", file="c.yml")
    assert toml.endpoints == json.endpoints == yaml.endpoints
    assert toml.server == json.server == yaml.server


def test_a_name_that_yaml_reads_as_something_else_is_told():
    assert problems("models:\n  fast:\n    - {name: 2024-01-01, base_url: 'http://h/v1'}\n", file="c.yaml") == (
        "models.fast[0].name: must be a text, got a date; put it in quotes",
    )
    assert any(problem.startswith("True: is not a known key") for problem in problems("on: 1", file="c.yaml"))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("c.json", "[" * 100_000),
        ("c.yaml", "[" * 20_000),
        ("c.toml", "a = " + "[" * 20_000),
        ("c.json", '{"server": {"port": ' + "9" * 5000 + "}}"),
        ("c.toml", "[server]\nport = 0x" + "f" * 5000),
        ("c.toml", ENDPOINT + "weight = 0x" + "f" * 5000),
        ("c.json", '{"retry": {"max_attempts": NaN}, "health": {"interval_seconds": -Infinity}}'),
        ("c.yaml", "a: \x00"),
        ("c.yaml", BOMB),
        ("c.yaml", BOMB + "? *l\n: 1\n"),
        ("c.yaml", BOMB.replace("[", "{<<: [").replace("]", "]}").replace("[x, x, x, x, x, x, x, x, x]", "{y: 1}")),
        ("c.yaml", "a: &a [*a]"),
        ("c.yaml", "a: &a {*a : 1}"),
        ("c.yaml", "a: " + "1:" * 195 + "1.5"),
        ("c.yaml", "a: " + "1:" * 100_000 + "1"),
        ("c.yaml", "{a: !!timestamp x}"),
        ("c.yaml", "!!bool x"),
        ("c.yaml", "!!int ''"),
        ("c.toml", "a." * 400 + "a = 1"),
        ("c.toml", "a." * 400_000 + "a = 1"),
        ("c.json", "{" + "".join(f'"{number}": 1, ' for number in range(40_000)) + '"39999": 1}'),
        ("c.json", '{"routing": {"tier_descriptions": {"fast": "\\ud800"}}}'),
        ("c.yaml", 'routing: {tier_descriptions: {fast: "\\ud800"}}'),
        ("c.json", '{"server": {"host": "' + "${A:-" * 150_000 + '"}}'),
        ("c.json", '"' + "x" * 2**20 + '"'),
    ],
)
@pytest.mark.parametrize("env", [{}, {"OPENAI_API_KEY": "k", "BIG_MODEL": "m"}], ids=["", "beside a legacy environment"])
def test_monstrous_files_are_refused_like_any_other(file, text, env):
    assert problems(text, env, file=file)


@pytest.mark.parametrize("suffix", [".toml", ".json", ".yaml"])
@pytest.mark.parametrize(
    ("text", "language"),
    [("a." * 400 + "a = 1", "toml"), ('{"a": "***", "b": [' * 60 + "]}" * 60, "json"), ('{"fast": "\\ud800"}', "json")],
)
def test_monstrous_proposals_are_too(tmp_path, suffix, text, language):
    (tmp_path / f"c{suffix}").write_text("{}")
    with pytest.raises(ConfigError):
        ConfigFile(Path(f"c{suffix}"), dict, tmp_path).propose(text, language)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b'[server]\nhost = "\xe9"')
    (tmp_path / "empty.toml").touch()
    for name, reason in (
        ("latin.toml", "not UTF-8 (byte 18)"),
        ("empty.toml", "is empty"),
        (".", "is a directory"),
        ("missing.toml", "does not exist"),
        ("\0", "is not a path"),
        ("latin.toml/x", "Not a directory"),
    ):
        with pytest.raises(ConfigError, match="; ") as caught:
            load(Path(name), {}, tmp_path)
        assert reason in caught.value.problems[0]


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    (tmp_path / "c.toml").write_text(ENDPOINT, "utf-8-sig")
    assert load(Path("c.toml"), {}, tmp_path).endpoints


def test_discovery_takes_the_first_of_the_known_names(tmp_path):
    (tmp_path / "config").mkdir()
    with pytest.raises(ConfigError, match="octoroute demo"):
        load(None, {}, tmp_path)
    for name in reversed(DISCOVERED):
        text = '{"models": {"fast": [{"name": "m", "base_url": "http://h/v1"}]}}' if name.endswith("json") else ENDPOINT
        (tmp_path / name).write_text(text)
        assert load(None, {}, tmp_path).source == str(tmp_path / name)


TABLES = [table for table in vars(schema).values() if isinstance(table, type) and issubclass(table, schema.Table)]
KNOWN = {field.name for table in TABLES for field in schema.fields(table)}
PLACES = {
    "": "{key}",
    **{
        f"[{name}]": f"{name}.{{key}}"
        for name in (
            "server",
            "models",
            "selection",
            "retry",
            "queue",
            "health",
            "timeouts",
            "context",
            "auth",
            "cache",
            "observability",
            "logging",
        )
    },
    **{f"[{name}]": f"{name}.{{key}}" for name in ("logging.traffic", "logging.rotation")},
    **{f"[{name}]": f"{name}.{{key}}" for name in ("routing", "routing.tiers", "routing.router_timeouts", "providers.p")},
    **{f"[[models.{name}]]": f"models.{name}[0].{{key}}" for name in ("fast", "balanced", "deep", "embedding")},
    **{
        f"[routing.{name}]": f"routing.{name}.{{key}}"
        for name in ("learned", "learned.shares", "learned.thresholds", "cascade", "sticky", "shadow")
    },
    "[[routing.rules]]": "routing.rules[0].{key}",
    "[[models.deep]]\n[models.deep.price]": "models.deep[0].price.{key}",
    "[providers.p.tls]": "providers.p.tls.{key}",
    "[[models.deep]]\n[models.deep.tls]": "models.deep[0].tls.{key}",
}


def test_every_table_is_among_the_places():
    assert len(PLACES) == len(TABLES) - 1 + 4  # all but the base class; an endpoint's table has four places, and tls two


@given(place=st.sampled_from(sorted(PLACES)), key=st.text(min_size=1).filter(lambda key: key not in KNOWN))
def test_an_unknown_key_anywhere_is_refused(place, key):
    quoted = "".join(f"\\U{ord(char):08x}" for char in key)
    path = PLACES[place].replace("{key}", child("", key))
    assert any(problem.startswith(f"{path}: is not a known key; ") for problem in problems(f'{place}\n"{quoted}" = 1\n'))


def test_places_in_a_providers_list():
    config = read(
        """
        [providers.p]
        base_url = "http://h/v1"
        [providers.q]
        base_url = "http://i/v1"
        [models]
        fast = [{name = "a", provider = "p"}, {name = "a", provider = "q"}, {name = "b", provider = "p"}]
        deep = [{name = "c", provider = "p"}, {name = "d", base_url = "http://1/v1"}, {name = "e", base_url = "http://2/v1"}]
        """
    )
    assert [(e.name, e.provider, e.position) for e in config.endpoints] == [
        ("a", "p", 0),
        ("a", "q", 0),
        ("b", "p", 1),
        ("c", "p", 0),
        ("d", "openai", 0),
        ("e", "openai", 0),
    ]


def test_a_providers_limits_and_timeout():
    config = read(
        """
        [timeouts]
        fast = 5
        [providers.p]
        base_url = "http://h/v1"
        timeout_seconds = 90
        requests_per_minute = 60
        tokens_per_minute = 90000
        max_in_flight = 8
        [providers.off]
        requests_per_minute = 1
        enabled = false
        [providers.free]
        base_url = "http://i/v1"
        [models]
        fast = [{name = "a", provider = "p", max_output_tokens = 100}, {name = "b", provider = "free"}]
        """
    )
    assert config.limits == {"p": ProviderLimits(requests_per_minute=60, tokens_per_minute=90000, max_in_flight=8)}
    assert [(e.first_event_timeout_s, e.max_output_tokens, e.max_in_flight) for e in config.endpoints] == [
        (90, 100, 0),
        (5, None, 0),
    ]


@pytest.mark.parametrize(
    ("kind", "header", "refused"),
    [
        ("openai", "authorization", True),
        ("openai", "X-Api-Key", False),
        ("azure", "API-Key", True),
        ("azure", "Authorization", True),
        ("anthropic", "x-api-key", True),
        ("gemini", "X-Goog-Api-Key", True),
    ],
)
def test_a24_a_header_does_not_replace_the_key_by_accident(kind, header, refused):
    table = f'kind = "{kind}"\nbase_url = "http://h/v1"\nheaders = {{ {header} = "s3cret" }}\n'
    models = '[models]\nfast = [{name = "a", provider = "p"}, {name = "b", provider = "p"}]'
    key, flag = 'api_key = "s3cret"\n', "allow_auth_header_override = true\n"
    if refused:
        (problem,) = problems(f"[providers.p]\n{table}{key}{models}")
        assert problem.startswith(f"providers.p.headers.{header}: would be sent instead of api_key")
    for text in (table, f"{table}{key}{flag}", *(() if refused else (table + key,))):
        assert read(f"[providers.p]\n{text}{models}").endpoints[0].headers == ((header, "s3cret"),)


def test_a_disabled_providers_variables_need_not_be_set():
    text = (
        '[providers.p]\nenabled = false\nbase_url = "${NO}"\nheaders = { X = "${NO}" }\n'
        '[[models.fast]]\nname = "${NO}"\nprovider = "p"\n' + ENDPOINT
    )
    assert [e.name for e in read(text).endpoints] == ["m"]
    assert len(problems(text.replace("false", "true"))) == 3
    assert len(problems(text + 'api_key = "${NO}"')) == 1


def test_selection_order():
    assert read(ENDPOINT).selection.order == "endpoint"
    for order in ("endpoint", "priority", "round_robin", "random"):
        assert read(f'[selection]\norder = "{order}"\n{ENDPOINT}').selection.order == order
    assert 'did you mean "round_robin"' in problems(f'[selection]\norder = "roundrobin"\n{ENDPOINT}')[0]
