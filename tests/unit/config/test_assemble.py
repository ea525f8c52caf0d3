from pathlib import Path

import pytest

from octoroute.config import Config, loads
from octoroute.config.schema.key import Names
from octoroute.domain.endpoint import CHAT_TIERS, Capability, ProviderLimits, Secret, Tier
from octoroute.domain.price import Price
from octoroute.domain.request import Importance
from octoroute.errors import ConfigError

ENDPOINT = '[[models.balanced]]\nname = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'


def read(text: str, env: dict[str, str] | None = None, *, file: str = "config.toml", names: Names | None = None) -> Config:
    return loads(text, Path(file), env or {}, names)


def problems(text: str, env: dict[str, str] | None = None, *, file: str = "config.toml") -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(text, env, file=file)
    return caught.value.problems


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
    assert (config.warnings, config.source, config.other_endpoints) == ((), "config.toml", ())


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
    assert [(endpoint.id, endpoint.tier) for endpoint in config.other_endpoints] == [("embedding-m@h:1", Tier.EMBEDDING)]


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


def test_a_price_of_the_configuration_goes_before_the_vendors_list_price():
    def price_of(more: str):
        text = f'[[models.fast]]\nname = "gpt-4.1-mini"\nbase_url = "https://api.openai.com/v1"\napi_key = "k-123456789"\n{more}'
        return loads(text, Path("config.toml"), {}).endpoints[0].price

    listed, own = price_of(""), price_of("price = { input = 7.0 }")
    assert listed is not None
    assert listed.input != 7.0
    assert own == Price(input=7.0)
