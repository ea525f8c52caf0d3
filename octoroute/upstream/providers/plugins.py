"""Vendors that other packages bring: entry points of the group `octoroute.providers`, beside the built-in ones, never instead.

A plug-in is code of somebody else: it is loaded when an endpoint is of its kind, and a crash in it is that endpoint's failure,
so the next one is asked.
"""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import structlog

from octoroute.dialects.base import Decoder, Outbound, Progress, UsageTap
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event
from octoroute.errors import BadUpstreamResponse, ConfigError, OctorouteError, UpstreamError
from octoroute.upstream.providers import KINDS, PROVIDERS, Provider

GROUP = "octoroute.providers"
_DIALECTS = frozenset({"openai", "anthropic", "gemini"})
_T = TypeVar("_T")

log = structlog.stdlib.get_logger("octoroute.plugins")


class PluginEntry(NamedTuple):
    kind: str
    package: str
    """Name and version of the distribution it is in."""
    load: Callable[[], object]


def plugin_entries() -> tuple[PluginEntry, ...]:
    """All that are installed, whether they can be used or not. Nothing is imported."""
    return _found(tuple(sys.path))


@functools.lru_cache(maxsize=4)
def _found(path: tuple[str, ...]) -> tuple[PluginEntry, ...]:
    """Looked for once: what is installed into a running process is not there for it."""
    del path  # where `entry_points` looks
    points = importlib.metadata.entry_points(group=GROUP)
    ordered = sorted(points, key=lambda point: (point.name, point.value))
    return tuple(PluginEntry(point.name, _package(point), point.load) for point in ordered)


def _package(point: importlib.metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def kinds() -> tuple[str, ...]:
    """What `kind` may be."""
    return tuple(dict.fromkeys([*KINDS, *(plugin.kind for plugin in plugin_entries())]))


def overlooked() -> Iterator[str]:
    """In words, those that are not used because their name is taken."""
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
    """Its own wire format, if it has one."""


def load(kind: str) -> Plugin:
    """Raises ConfigError naming the package when it cannot be used."""
    plugin = next((plugin for plugin in plugin_entries() if plugin.kind == kind), None)
    if plugin is None:
        raise ConfigError([f"{kind}: no plug-in of this name is installed; install it, or use one of {', '.join(kinds())}"])
    try:
        made = plugin.load()
        provider = cast("Any", made() if isinstance(made, type) else made)
        wrong = _wrong(provider, kind)
        outbound = cast("Outbound | None", getattr(provider, "outbound", None))
    except (Exception, SystemExit) as error:
        log.debug("a plug-in cannot be loaded", kind=kind, package=plugin.package, exc_info=True)
        reason = f"it fails with {type(error).__name__}: {str(error)[:200]}"
        raise ConfigError([f"the plug-in {kind} of {plugin.package} cannot be loaded: {reason}; mend or remove it"]) from error
    if wrong is not None:
        raise ConfigError([f"the plug-in {kind} of {plugin.package} cannot be used: {wrong}; mend or remove it"])
    guard = _Guard(kind, plugin.package)
    return Plugin(_Guarded(provider, guard), None if outbound is None else _GuardedOutbound(outbound, guard))


def _wrong(provider: Any, kind: str) -> str | None:
    """What keeps it from being a Provider, as far as can be seen without using it."""
    missing = [name for name in ("url", "headers", "probe_url") if not callable(getattr(provider, name, None))]
    if missing:
        return f"it has no method {missing[0]}"
    if getattr(provider, "kind", None) != kind:
        return f"its kind is {getattr(provider, 'kind', None)!r} and its entry point {kind!r}, which must be the same"
    passes = getattr(provider, "passes", None)
    if not isinstance(passes, tuple) or not all(isinstance(name, str) and name == name.lower() for name in cast("Any", passes)):
        return "its passes is not a tuple of header names in lower case"
    dialect, outbound = getattr(provider, "dialect", None), getattr(provider, "outbound", None)
    if outbound is None:
        known = ", ".join(sorted(_DIALECTS))
        return None if dialect in _DIALECTS else f"its dialect is {dialect!r}, which is none of {known}, and it brings no outbound"
    if getattr(outbound, "name", None) != dialect:
        return "its outbound's name is not its dialect"
    if dialect in _DIALECTS:
        return f"it brings an outbound for {dialect}, which is built in"
    methods = ("encode_request", "unsupported", "tap", "decoder", "decode_response", "read_error")
    missing = [name for name in methods if not callable(getattr(outbound, name, None))]
    return f"its outbound has no method {missing[0]}" if missing else None


class ProviderRegistry(Mapping[str, Provider]):
    """The built-in providers, and plug-ins from the first time that somebody asks for them."""

    def __init__(self, outbound: Mapping[str, Outbound]) -> None:
        self._providers: dict[str, Provider] = dict(PROVIDERS)
        self.outbound: dict[str, Outbound] = dict(outbound)
        """By dialect; a plug-in's is there once the plug-in is."""

    def __getitem__(self, kind: str) -> Provider:
        """Raises ConfigError, which whoever read the configuration has seen before."""
        provider = self._providers.get(kind)
        if provider is None:
            vendor = load(kind)
            provider = self._providers[kind] = vendor.provider
            if vendor.outbound is not None:
                self.outbound[provider.dialect] = vendor.outbound
        return provider

    def __iter__(self) -> Iterator[str]:
        return iter(self._providers)

    def __len__(self) -> int:
        return len(self._providers)


class _Guard:
    """Between us and a plug-in: what it raises against its contract becomes Broke."""

    def __init__(self, kind: str, package: str) -> None:
        self._kind = kind
        self._package = package

    def call(self, what: Callable[..., _T], *args: Any, **more: Any) -> _T:
        try:
            return what(*args, **more)
        except OctorouteError:
            raise
        except Exception as error:
            log.exception("a plug-in failed", kind=self._kind, package=self._package)
            raise self.broke(type(error).__name__) from error

    def broke(self, what: str) -> BadUpstreamResponse:
        return BadUpstreamResponse(f"the plug-in {self._kind} failed", detail=f"{self._package}: {what}")


class _Guarded:
    def __init__(self, provider: Provider, guard: _Guard) -> None:
        self._provider = provider
        self._guard = guard
        self.kind = provider.kind
        self.dialect = provider.dialect
        self.passes = provider.passes

    def url(self, endpoint: Endpoint, api: str, *, stream: bool) -> str | None:
        url = self._guard.call(self._provider.url, endpoint, api, stream=stream)
        if not isinstance(cast("Any", url), str | None):
            raise self._guard.broke("url gave no text")
        return url

    def headers(self, endpoint: Endpoint) -> tuple[tuple[str, str], ...]:
        headers = self._guard.call(lambda: tuple((name, value) for name, value in self._provider.headers(endpoint)))
        if not all(isinstance(cast("Any", part), str) for header in headers for part in header):
            raise self._guard.broke("headers gave something else than pairs of texts")
        return headers

    def probe_url(self, endpoint: Endpoint) -> str:
        url = self._guard.call(self._provider.probe_url, endpoint)
        if not isinstance(cast("Any", url), str):
            raise self._guard.broke("probe_url gave no text")
        return url


class _GuardedOutbound:
    def __init__(self, outbound: Outbound, guard: _Guard) -> None:
        self._outbound = outbound
        self._guard = guard
        self.name = outbound.name

    def encode_request(
        self, conversation: Conversation, endpoint: Endpoint, *, stream: bool, notes: list[str] | None = None
    ) -> bytes:
        body = self._guard.call(self._outbound.encode_request, conversation, endpoint, stream=stream, notes=notes)
        if not isinstance(cast("Any", body), bytes):
            raise self._guard.broke("write gave no bytes")
        return body

    def unsupported(self, conversation: Conversation, endpoint: Endpoint) -> str | None:
        try:
            return self._guard.call(self._outbound.unsupported, conversation, endpoint)
        except UpstreamError as error:
            return error.message

    def tap(self) -> UsageTap:
        return _GuardedTap(self._guard.call(self._outbound.tap), self._guard)

    def decoder(self, conversation: Conversation | None = None, endpoint: Endpoint | None = None) -> Decoder:
        return _GuardedDecoder(self._guard.call(self._outbound.decoder, conversation, endpoint), self._guard)

    def decode_response(
        self, body: bytes, conversation: Conversation | None = None, endpoint: Endpoint | None = None
    ) -> Sequence[Event]:
        return self._guard.call(lambda: _events(self._outbound.decode_response(body, conversation, endpoint)))

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
        try:
            error = self._guard.call(self._outbound.read_error, status, headers, body)
        except UpstreamError:
            return None
        return error if isinstance(cast("Any", error), UpstreamError) else None


class _GuardedTap:
    def __init__(self, tap: UsageTap, guard: _Guard) -> None:
        self._tap = tap
        self._guard = guard
        self.progress: Progress = guard.call(lambda: tap.progress)

    def feed(self, frames: bytes) -> None:
        self._guard.call(self._tap.feed, frames)

    def feed_body(self, body: bytes) -> None:
        self._guard.call(self._tap.feed_body, body)


class _GuardedDecoder:
    def __init__(self, decoder: Decoder, guard: _Guard) -> None:
        self._decoder = decoder
        self._guard = guard

    def feed(self, frames: bytes) -> Sequence[Event]:
        return self._guard.call(lambda: _events(self._decoder.feed(frames)))

    def end(self) -> Sequence[Event]:
        return self._guard.call(lambda: _events(self._decoder.end()))


def _events(events: Iterable[Event]) -> list[Event]:
    """Raises TypeError for what is none."""
    made = list(events)
    for event in made:
        if not isinstance(cast("Any", event), Event):
            raise TypeError(f"{type(event).__name__} is no event")
    return made
