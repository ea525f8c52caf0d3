"""Providers of other packages: entry points of the group `octoroute.providers`, in addition to the built-in ones, never instead.

A plug-in is loaded when an endpoint has its kind. An exception out of it is a failure of that endpoint: the next one is tried.
"""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from collections.abc import Callable, Iterator, Mapping
from types import MethodType
from typing import Any, NamedTuple, cast

import structlog

from octoroute.dialects import OUTBOUND_NAMES
from octoroute.dialects.base import Outbound
from octoroute.errors import BadUpstreamResponse, ConfigError
from octoroute.upstream.providers import KINDS, PROVIDERS, Provider

GROUP = "octoroute.providers"
_PROVIDER_METHODS = ("url", "headers", "probe_url")
_PROVIDER_DEFAULTS = ("chat_apis", "credential_headers", "may_drop_params", "problem", "wires")
_OUTBOUND_METHODS = ("encode_request", "unsupported", "tap", "decoder", "decode_response", "read_error")
_OUTBOUND_DEFAULTS = ("verifies_thinking", "framer", "count_request", "read_count")

log = structlog.stdlib.get_logger("octoroute.plugins")


class PluginEntry(NamedTuple):
    kind: str
    package: str
    """Name and version of its distribution."""
    load: Callable[[], object]


def plugin_entries() -> tuple[PluginEntry, ...]:
    """All installed plug-ins, usable or not. Nothing is imported."""
    return _entries(tuple(sys.path))


@functools.lru_cache(maxsize=4)
def _entries(path: tuple[str, ...]) -> tuple[PluginEntry, ...]:
    """Cached: a package installed while the process runs is not seen."""
    del path  # where `entry_points` looks
    points = importlib.metadata.entry_points(group=GROUP)
    ordered = sorted(points, key=lambda point: (point.name, point.value))
    return tuple(PluginEntry(point.name, _package(point), point.load) for point in ordered)


def _package(point: importlib.metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def kinds() -> tuple[str, ...]:
    """The valid values of `kind`."""
    return tuple(dict.fromkeys([*KINDS, *(plugin.kind for plugin in plugin_entries())]))


def overlooked() -> Iterator[str]:
    """A warning for each plug-in that is not used because its name is taken."""
    first: dict[str, str] = {}
    for plugin in plugin_entries():
        if plugin.kind in PROVIDERS:
            yield f"the plug-in {plugin.kind} of {plugin.package} is not used: {plugin.kind} is built in; its author must rename it"
        elif plugin.kind in first:
            yield f"the plug-in {plugin.kind} of {plugin.package} is not used: {first[plugin.kind]} has one of that name too"
        else:
            first[plugin.kind] = plugin.package


class Plugin(NamedTuple):
    provider: Provider
    outbound: Outbound | None
    """Its own wire format; None: it speaks a built-in one."""


def load(kind: str) -> Plugin:
    """Raises ConfigError naming the package of a plug-in that cannot be used."""
    plugin = next((plugin for plugin in plugin_entries() if plugin.kind == kind), None)
    if plugin is None:
        raise ConfigError([f"{kind}: no plug-in of this name is installed; install it, or use one of {', '.join(kinds())}"])
    try:
        made = plugin.load()
        provider = cast("Any", made() if isinstance(made, type) else made)
        problem = _problem(provider, kind)
        outbound = cast("Any", getattr(provider, "outbound", None))
        if problem is None:
            _fill_in(provider, Provider, _PROVIDER_DEFAULTS)
            if outbound is not None:
                _fill_in(outbound, Outbound, _OUTBOUND_DEFAULTS)
    except (Exception, SystemExit) as error:
        log.debug("a plug-in cannot be loaded", kind=kind, package=plugin.package, exc_info=True)
        reason = f"it fails with {type(error).__name__}: {str(error)[:200]}"
        raise ConfigError([f"the plug-in {kind} of {plugin.package} cannot be loaded: {reason}; repair or remove it"]) from error
    if problem is not None:
        raise ConfigError([f"the plug-in {kind} of {plugin.package} cannot be used: {problem}; repair or remove it"])
    return Plugin(cast("Provider", provider), cast("Outbound | None", outbound))


def _problem(provider: Any, kind: str) -> str | None:
    """The first way in which it is no Provider, as far as can be seen without calling it."""
    missing = [name for name in _PROVIDER_METHODS if not callable(getattr(provider, name, None))]
    if missing:
        return f"it has no method {missing[0]}"
    if getattr(provider, "kind", None) != kind:
        return f"its kind is {getattr(provider, 'kind', None)!r} and its entry point {kind!r}, which must be the same"
    passes = getattr(provider, "passes", None)
    if not isinstance(passes, tuple) or not all(isinstance(name, str) and name == name.lower() for name in cast("Any", passes)):
        return "its passes is not a tuple of header names in lower case"
    dialect, outbound = getattr(provider, "dialect", None), getattr(provider, "outbound", None)
    if outbound is None:
        if dialect in OUTBOUND_NAMES:
            return None
        known = ", ".join(sorted(OUTBOUND_NAMES))
        return f"its dialect is {dialect!r}, which is none of {known}, and it brings no outbound"
    if getattr(outbound, "name", None) != dialect:
        return "its outbound's name is not its dialect"
    if dialect in OUTBOUND_NAMES:
        return f"it brings an outbound for {dialect}, which is built in"
    missing = [name for name in _OUTBOUND_METHODS if not callable(getattr(outbound, name, None))]
    return f"its outbound has no method {missing[0]}" if missing else None


def _fill_in(plugin: Any, protocol: type, names: tuple[str, ...]) -> None:
    """Give a plug-in that does not derive from the protocol the protocol's defaults for the members it leaves out."""
    for name in names:
        if not hasattr(plugin, name):
            default = getattr(protocol, name)
            setattr(plugin, name, MethodType(default, plugin) if callable(default) else default)


class ProviderRegistry(Mapping[str, Provider]):
    """The built-in providers by kind, and each plug-in from its first use on."""

    def __init__(self, outbound: Mapping[str, Outbound]) -> None:
        self._providers: dict[str, Provider] = dict(PROVIDERS)
        self.outbound: dict[str, Outbound] = dict(outbound)
        """By dialect; a plug-in's dialect is added when the plug-in is loaded."""

    def __getitem__(self, kind: str) -> Provider:
        """Raises ConfigError, which reading the configuration raises first."""
        provider = self._providers.get(kind)
        if provider is None:
            plugin = load(kind)
            provider = self._providers[kind] = plugin.provider
            if plugin.outbound is not None:
                self.outbound[provider.dialect] = plugin.outbound
        return provider

    def __iter__(self) -> Iterator[str]:
        return iter(self._providers)

    def __len__(self) -> int:
        return len(self._providers)


def plugin_failure(kind: str, error: Exception) -> BadUpstreamResponse:
    """The failure of an endpoint whose plug-in raised an exception of its own. Logs the traceback.

    Raises `error` itself where `kind` is built in: that is a defect of octoroute, and no endpoint's.
    """
    if kind in PROVIDERS:
        raise error
    package = next((plugin.package for plugin in plugin_entries() if plugin.kind == kind), "")
    log.error("a plug-in failed", kind=kind, package=package, exc_info=error)
    return BadUpstreamResponse(f"the plug-in {kind} failed", detail=f"{package}: {type(error).__name__}")
