"""An endpoint: one model at one address, and what configuration says of it. Frozen; units stand in the names."""

from __future__ import annotations

import hmac
from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec

from octoroute.domain.option import Key, Table


class Tier(StrEnum):
    """How much model a request deserves, cheapest first; and the models for embeddings, a tier of their own."""

    FAST = "fast"
    BALANCED = "balanced"
    DEEP = "deep"
    EMBEDDING = "embedding"


CHAT_TIERS = (Tier.FAST, Tier.BALANCED, Tier.DEEP)

"""Those that a router chooses from."""


class Capability(StrEnum):
    """What a request may need that not every model has."""

    TOOLS = "tools"
    VISION = "vision"
    JSON = "json"


class Secret:
    """A key. It prints as `***`; `reveal()` is the only way to its text, `matches()` compares in constant time."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def matches(self, offered: str) -> bool:
        return hmac.compare_digest(self._text.encode(), offered.encode("utf-8", "surrogateescape"))

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._text)

    def __hash__(self) -> int:
        return hash((Secret, self._text))


class Price(Table, frozen=True, kw_only=True):
    """USD per million tokens."""

    input: Annotated[float, Key("price of uncached input tokens", low=0, high=1e6)] = 0.0
    output: Annotated[float, Key("price of output tokens", low=0, high=1e6)] = 0.0
    cached: Annotated[
        float | None, Key("price of cached input tokens; default: the price of input", low=0, high=1e6, example="0.075")
    ] = None


class ProviderLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What all endpoints of one provider may be asked together; 0: no limit."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    max_in_flight: int = 0


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """How an https endpoint must prove who it is, and how we do. Files are PEM."""

    ca_file: str | None = None
    """The only authorities to believe; None: the system's."""
    client_cert: str | None = None
    """Our certificate and its chain."""
    client_key: str | None = None
    """None: it stands in `client_cert`."""
    pins_sha256: frozenset[bytes] = frozenset()
    """Digests of the certificates (DER) one of which it must have; none: any that is valid."""
    version: str = ""
    """Changes with what is in the files."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one address. `id` is unique and is not the model's name: replicas share a name, never an id."""

    id: str
    name: str
    tier: Tier
    kind: str
    """Which provider plug-in speaks to it: openai, azure, anthropic, gemini."""
    provider: str
    """The `[providers.NAME]` table it belongs to; its kind when it stands alone, or its address if a table has that name."""
    base_url: str
    model: str
    """What the upstream is asked for."""
    api_key: Secret | None = None
    headers: tuple[tuple[str, str], ...] = ()
    api_version: str | None = None
    priority: int = 1
    position: int = 0
    """Its place among its provider's models of the same tier, as the file has them: the first is preferred."""
    weight: float = 1.0
    max_in_flight: int = 0
    """0: no limit."""
    max_tokens: int | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    """The most it can write in one answer; a larger wish is clamped with a warning. None: not known."""
    context_window: int | None = None
    advertised_window: int | None = None
    """The window its clients believe in: token counts that they are told are scaled to it. None: the real one."""
    quirks: tuple[str, ...] = ()
    """Names of `dialects.openai.quirks` presets; empty: guessed from address and model."""
    capabilities: frozenset[Capability] = frozenset(Capability)
    price: Price | None = None
    tls: Tls | None = None
    """None: the system's authorities and the host's name."""
    proxy: Secret | None = None
    """The URL of an HTTP proxy on the way, which may hold its credentials."""
    max_connections: int = 0
    """To its host and port, for all endpoints there that say the same; 0: no limit."""
    forward_client_key: bool = False
    """A client's own key is sent instead of `api_key`, where the client sends one."""
    connect_timeout_s: float = 10.0
    first_event_timeout_s: float = 120.0
    idle_timeout_s: float = 300.0


class FailureDomain(NamedTuple):
    """What fails together: a provider's name at one address with one key."""

    provider: str
    base_url: str
    api_key: Secret | None


def failure_domain(endpoint: Endpoint) -> FailureDomain:
    return FailureDomain(endpoint.provider, endpoint.base_url, endpoint.api_key)


class CircuitState(StrEnum):
    """Of one endpoint's circuit breaker. Closed: requests may be sent. Half-open: one trial request may."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
