"""Plug-ins that leave out optional members get the Protocols' defaults; what keeps one from use is said before it is used."""

from __future__ import annotations

import pytest

from octoroute.dialects.base import Outbound
from octoroute.dialects.response.sse import FrameSplitter
from octoroute.errors import BadUpstreamResponse, ConfigError
from octoroute.upstream.providers import PROVIDERS, plugins
from octoroute.upstream.providers.plugins import PluginEntry, ProviderRegistry, plugin_failure
from tests.support.spine import make_endpoint


class Bare:
    """A provider as an author writes it by hand."""

    kind = "bare"
    dialect = "bare"
    passes = ()

    def __init__(self):
        self.outbound = Format()

    def url(self, endpoint, api, *, stream):
        return "http://h/"

    def headers(self, endpoint):
        return ()

    def probe_url(self, endpoint):
        return "http://h/"


class Format:
    name = "bare"
    encode_request = unsupported = tap = decoder = decode_response = read_error = lambda self, *args, **more: None


@pytest.fixture
def installed(monkeypatch):
    def install(provider, kind="bare"):
        monkeypatch.setattr(plugins, "plugin_entries", lambda: (PluginEntry(kind, "bare-pkg 1.0", lambda: provider),))

    return install


def test_members_left_out_have_the_defaults(installed):
    installed(Bare)
    provider, outbound = plugins.load("bare")
    assert provider.credential_headers == {"authorization"}
    assert provider.may_drop_params(make_endpoint("a"), stream=True) is None
    assert isinstance(outbound.framer(), FrameSplitter)
    assert outbound.verifies_thinking is False
    assert outbound.count_request(b"{}", make_endpoint("a")) == b"{}"
    assert outbound.read_count(b'{"input_tokens": 3}') == 3


def test_members_it_has_are_its_own(installed):
    class Own(Format, Outbound):
        name = "bare"
        verifies_thinking = True

        def framer(self):
            return "mine"

    def made():
        provider = Bare()
        provider.outbound = Own()
        return provider

    installed(made())
    _, outbound = plugins.load("bare")
    assert outbound.framer() == "mine"
    assert outbound.verifies_thinking


def test_an_instance_will_do(installed):
    installed(Bare())
    assert plugins.load("bare").provider.kind == "bare"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "other"}, "its kind is 'other'"),
        ({"url": None}, "it has no method url"),
        ({"passes": ["x"]}, "its passes is not a tuple"),
        ({"passes": ("X-Upper",)}, "its passes is not a tuple"),
        ({"dialect": "nothing", "outbound": None}, "its dialect is 'nothing'"),
        ({"dialect": "elsewhere"}, "its outbound's name is not its dialect"),
    ],
)
def test_what_is_wrong_is_a_configuration_error(installed, change, problem):
    provider = Bare()
    for name, value in change.items():
        setattr(provider, name, value)
    installed(provider)
    with pytest.raises(ConfigError) as caught:
        plugins.load("bare")
    assert "the plug-in bare of bare-pkg 1.0 cannot be used" in caught.value.problems[0]
    assert problem in caught.value.problems[0]


def test_a_format_may_not_stand_in_for_a_built_in_one(installed):
    provider = Bare()
    provider.dialect = provider.outbound.name = "openai"
    installed(provider)
    with pytest.raises(ConfigError, match="built in"):
        plugins.load("bare")
    provider.outbound.name = "bare"


def test_the_registry_loads_a_plug_in_when_it_is_first_used(installed):
    loads = []

    class Counting(Bare):
        def __init__(self):
            loads.append(1)
            super().__init__()

    installed(Counting)
    registry = ProviderRegistry({})
    assert dict(registry) == dict(PROVIDERS)
    assert registry["bare"] is registry["bare"]
    assert loads == [1]
    assert registry.outbound["bare"].name == "bare"
    with pytest.raises(ConfigError):
        registry["absent"]


def test_a_failure_names_the_plug_in_and_no_more(installed):
    installed(Bare)
    failure = plugin_failure("bare", RuntimeError("a prompt, perhaps"))
    assert isinstance(failure, BadUpstreamResponse)
    assert (failure.message, failure.detail) == ("the plug-in bare failed", "bare-pkg 1.0: RuntimeError")


def test_a_built_in_kind_has_no_such_failures():
    with pytest.raises(RuntimeError):
        plugin_failure("openai", RuntimeError("a defect"))
