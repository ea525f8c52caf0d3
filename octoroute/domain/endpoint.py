"""An endpoint: one model at one address, as the configuration describes it. Frozen; field names carry the units."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from octoroute.domain.price import Price


class Tier(StrEnum):
    """The class of model that answers a request. The chat tiers are ordered by cost; other kinds of models have a tier each."""

    FAST = "fast"
    BALANCED = "balanced"
    DEEP = "deep"
    EMBEDDING = "embedding"
    AUDIO = "audio"
    IMAGE = "image"
    RERANK = "rerank"
    MODERATION = "moderation"
    DECISION = "decision"


CHAT_TIERS = (Tier.FAST, Tier.BALANCED, Tier.DEEP)
"""The tiers that a router chooses from, cheapest first."""


PASSED_TIERS: Mapping[str, Tier] = {
    "audio/transcriptions": Tier.AUDIO,
    "audio/translations": Tier.AUDIO,
    "audio/speech": Tier.AUDIO,
    "images/generations": Tier.IMAGE,
    "images/edits": Tier.IMAGE,
    "images/variations": Tier.IMAGE,
    "rerank": Tier.RERANK,
    "moderations": Tier.MODERATION,
    "decisions": Tier.DECISION,
    "systemone": Tier.DECISION,
}
"""By interface, the tier of those whose requests and responses are passed on unread but for the model."""
OTHER_TIERS: Mapping[str, Tier] = {"embeddings": Tier.EMBEDDING, **PASSED_TIERS}
"""By interface, the tier of those that chat models do not serve."""


class Capability(StrEnum):
    """A feature that a request may need and that not every model supports."""

    TOOLS = "tools"
    VISION = "vision"
    JSON = "json"


class Secret:
    """A key, or a URL with credentials. It prints as `***`; `reveal()` returns the text, `matches()` compares in constant time."""

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


class ProviderLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits for all endpoints of one provider together; 0: no limit."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    max_in_flight: int = 0


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """TLS settings of an endpoint. Files are PEM."""

    ca_file: str | None = None
    """The only trusted certificate authorities; None: those of the system."""
    client_cert: str | None = None
    """The gateway's client certificate with its chain; None: no client certificate."""
    client_key: str | None = None
    """The key of `client_cert`; None: it is in the same file."""
    pins_sha256: frozenset[bytes] = frozenset()
    """SHA-256 digests of DER certificates: the endpoint must present one of them. Empty: any valid certificate."""
    version: str = ""
    """A fingerprint of the contents of the files: it changes when they do."""


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that signs requests and is never sent itself."""

    id: str
    """Names the key in a request."""
    secret: Secret
    session_token: Secret | None = None
    """Sent with requests that a temporary key signs; None: the key is not temporary."""


class LatestToken:
    """The access token that was sent last: what an endpoint may echo. Equal to every other, because it is no setting."""

    __slots__ = ("text",)

    def __init__(self) -> None:
        self.text = ""

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LatestToken)

    def __hash__(self) -> int:
        return hash(LatestToken)


class OAuth2Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Client credentials for which a token server gives access tokens."""

    token_url: str
    client_id: str
    client_secret: Secret
    scope: str = ""
    audience: str = ""
    by_header: bool = False
    """The secret is sent as HTTP basic authentication, not as a form field."""
    latest: LatestToken = msgspec.field(default_factory=LatestToken)


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one address. `id` is unique; replicas of a model share a `name` and never an `id`."""

    id: str
    name: str
    tier: Tier
    kind: str
    """The provider plug-in that speaks to it, e.g. openai, azure, anthropic, gemini."""
    provider: str
    """NAME of its `[providers.NAME]` table; without a table its kind, or its address if a table has the name of that kind."""
    base_url: str
    model: str
    """The model name that is sent to the upstream."""
    api_key: Secret | None = None
    signing_key: SigningKey | None = None
    """For kinds that sign each request; None: none."""
    oauth2: OAuth2Grant | None = None
    """Where the tokens come from that are sent in place of a key; None: none are."""
    region: str = ""
    """Where its servers are; "": not given."""
    headers: tuple[tuple[str, str], ...] = ()
    """Additional headers of every request: (name, value)."""
    api_version: str | None = None
    priority: int = 1
    """A higher priority is tried first."""
    position: int = 0
    """Its index among the provider's models of the same tier, in file order; the first is preferred."""
    weight: float = 1.0
    """Its share of the requests among endpoints of the same priority."""
    max_in_flight: int = 0
    """Concurrent requests; 0: no limit."""
    max_tokens: int | None = None
    """The output limit if the client gives none but the wire format requires one, and for /chat."""
    temperature: float | None = None
    """For /chat only."""
    max_output_tokens: int | None = None
    """The output limit of the model. A larger `max_tokens` is reduced to it with a warning. None: not known."""
    context_window: int | None = None
    """Tokens of prompt and response together; None: not known."""
    advertised_window: int | None = None
    """The context window that clients assume: token counts reported to them are scaled to it. None: the real one."""
    wires: tuple[str, ...] = ()
    """The wire formats in which it is asked for chat, preferred first; empty: that of its kind."""
    quirks: tuple[str, ...] = ()
    """Names of presets in `dialects.openai.quirks`; empty: derived from address and model."""
    capabilities: frozenset[Capability] = frozenset(Capability)
    price: Price | None = None
    """None: not known."""
    tls: Tls | None = None
    """None: the system's certificate authorities, and the host name is verified."""
    host: str = ""
    """Host header and TLS server name, for servers that tell their sites apart by them; empty: those of `base_url`."""
    proxy: Secret | None = None
    """The URL of an HTTP proxy; secret because it may contain credentials. None: a direct connection."""
    max_connections: int = 0
    """Connections to its host and port, shared by all endpoints there with the same setting; 0: no limit."""
    forward_client_key: bool = False
    """If the client sends a key, it is forwarded instead of `api_key`."""
    connect_timeout_s: float = 10.0
    first_event_timeout_s: float = 120.0
    """From the request to the first event of the response; a whole response is one event."""
    stream_start_timeout_s: float | None = None
    """Of a stream, from the request to the first event; None: `first_event_timeout_s`."""
    idle_timeout_s: float = 300.0
    """Without a byte after the first event."""
    health_check: bool = True
    """Background probes ask it."""


class FailureDomain(NamedTuple):
    """Endpoints that fail together: one provider at one address with one key."""

    provider: str
    base_url: str
    api_key: Secret | None
    host: str = ""


def failure_domain(endpoint: Endpoint) -> FailureDomain:
    """Return the failure domain of the endpoint; equal for endpoints that fail together."""
    return FailureDomain(endpoint.provider, endpoint.base_url, endpoint.api_key, endpoint.host)


class CircuitState(StrEnum):
    """The state of an endpoint's circuit breaker.

    Closed: requests are sent. Open: none is sent. Half-open: one trial request is sent.
    """

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
