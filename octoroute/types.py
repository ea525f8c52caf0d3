"""The words of the domain: what is asked, of whom, and how it ended.

Frozen and keyword-only; units stand in the names. Nothing here imports from the rest of the package.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

import msgspec

__all__ = [
    "CHAT_TIERS",
    "Attempt",
    "Capability",
    "ContextUse",
    "Decision",
    "Ending",
    "Endpoint",
    "Facts",
    "Importance",
    "Outcome",
    "Price",
    "ProviderLimits",
    "Request",
    "Secret",
    "Task",
    "Tier",
    "Tls",
    "Usage",
]


class Tier(StrEnum):
    """How much model a request deserves, cheapest first; and the models for embeddings, a tier of their own."""

    FAST = "fast"
    BALANCED = "balanced"
    DEEP = "deep"
    EMBEDDING = "embedding"


CHAT_TIERS = (Tier.FAST, Tier.BALANCED, Tier.DEEP)
"""Those that a router chooses from."""


class Importance(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Task(StrEnum):
    CASUAL_CHAT = "casual_chat"
    CODE = "code"
    CREATIVE_WRITING = "creative_writing"
    DEEP_ANALYSIS = "deep_analysis"
    DOCUMENT_SUMMARY = "document_summary"
    QUESTION_ANSWER = "question_answer"


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


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """USD per million tokens. `cached=None`: cached input costs what fresh input costs."""

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None


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


_IDS_AT_ONCE = 256
_ids: list[str] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.clear)


def new_id() -> str:
    """For a request that brought none. Drawn by the hundreds: for one alone the system call would be most of its price."""
    try:
        return _ids.pop()
    except IndexError:
        drawn = os.urandom(12 * _IDS_AT_ONCE).hex()
        _ids.extend("req_" + drawn[at : at + 24] for at in range(24, len(drawn), 24))
        return "req_" + drawn[:24]


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


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a router may know of a request; computed once, cheaply, without translating it."""

    text: str = ""
    """The last user message's text parts, joined by newlines; no code is removed."""
    earlier: tuple[tuple[str, str], ...] = ()
    """(role, text) of the messages before it, oldest first, bounded in number and length by the dialect."""
    tokens: int = 0
    """Estimated prompt tokens of the whole conversation's text."""
    context_tokens: int = 0
    """The same with tool schemas, images, and files: what must fit a context window."""
    output_tokens: int | None = None
    """What the client allows the answer to cost; None: not said."""
    messages: int = 0
    tools: bool = False
    """Tools are offered, or tool calls stand in the history."""
    images: bool = False
    json: bool = False
    """A structured answer is asked for."""
    attachments: bool = False
    """Files, documents, or audio are attached."""
    importance: Importance | None = None
    """As the client said it; the gateway fills in `routing.default_importance`."""
    task: Task | None = None
    """As the client said it; None: to be inferred."""
    quality: float | None = None
    """Where on the cost-quality curve the client wants to be, 0 cheapest to 1 best; None: not said."""

    @property
    def needs(self) -> frozenset[Capability]:
        return _NEEDS[self.tools, self.images, self.json]


_NEEDS = {
    (tools, images, json): frozenset(
        capability
        for wanted, capability in ((tools, Capability.TOOLS), (images, Capability.VISION), (json, Capability.JSON))
        if wanted
    )
    for tools in (False, True)
    for images in (False, True)
    for json in (False, True)
}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One question as it arrived. `body` is the dialect's own reading of the client's bytes, opaque to the spine."""

    id: str
    dialect: str
    model: str
    stream: bool
    body: object
    facts: Facts
    headers: Mapping[str, str] = {}
    """The client's headers that may matter to an upstream of the same dialect; lower-case names."""
    api: str = "chat"
    """Which upstream interface it wants; the providers know the paths."""
    warms: bool = False
    """No answer is wanted, only that a prompt cache has seen the prompt."""
    wants_usage: bool = False
    """Usage in the stream, which OpenAI's clients must ask for."""
    timeout_s: float | None = None
    """A shorter limit for one attempt than the endpoint's own; None: the endpoint's."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Which tier answers, who said so, and why. `only`: endpoints were named by id, nothing else will do."""

    tier: Tier
    by: Literal["rule", "llm", "learned", "client", "default"]
    why: str
    confidence: float | None = None
    """Of a learned score: the chance that the cheap model's answer would not do."""
    only: frozenset[str] | None = None
    within: str | None = None
    """Only this provider's endpoints, in whichever tier."""
    rule: str | None = None
    """The name of the `[[routing.rules]]` entry that had a say."""
    fixed: bool = False
    """The rule's own choice: another tier will not do while this one is merely out of order."""
    policy: str | None = None
    """Another policy than `selection.policy`."""
    reject: str | None = None
    """Nobody is to be asked; this is what the client is told."""
    features: tuple[tuple[str, float], ...] = ()
    """What moved a learned score, largest first: names and log-odds, positive is harder. Never a word of the prompt."""
    features_hash: str | None = None
    """Tells repetitions apart without keeping what was asked."""
    then: Tier | None = None
    """A cascade: this tier is asked when the answer of `tier` does not pass the checks."""
    propensity: float | None = None
    """The chance with which such a request gets this tier; None: nobody draws lots about it."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint asked once. `error` is the failure's code, `abandoned` when the client left meanwhile; None: it answered."""

    endpoint: Endpoint
    took_s: float
    error: str | None = None
    rejected: str | None = None
    """It answered, but a cascade asked a bigger tier instead: which check the answer did not pass."""
    usage: Usage | None = None
    """Of an answer that was begun."""

    @property
    def cost_usd(self) -> float | None:
        price = self.endpoint.price
        return self.usage.cost(price) if self.usage is not None and price is not None else None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens as the provider counted them; `input_tokens` includes the cached ones."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Of the input, read from a prompt cache."""
    cache_write_tokens: int = 0
    """Of the input, written to a prompt cache."""
    reasoning_tokens: int = 0
    """Of the output, spent on thinking."""
    estimated: bool = False

    def cost(self, price: Price) -> float:
        """USD."""
        cached_rate = price.input if price.cached is None else price.cached
        fresh = max(0, self.input_tokens - self.cached_tokens)
        return (fresh * price.input + self.cached_tokens * cached_rate + self.output_tokens * price.output) / 1e6


class Ending(StrEnum):
    """How a request ended; every request ends exactly once."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """The fault is the client's, or the upstream says so: a 4xx."""
    FAILED = "failed"
    """Nothing was answered; the client got an error status."""
    BROKEN = "broken"
    """The answer stopped in the middle; the client got an error event."""
    ABANDONED = "abandoned"
    """The client hung up."""


class ContextUse(msgspec.Struct, frozen=True, kw_only=True):
    """How full an endpoint's context window was. `tokens` of the prompt as it was sent: counted, or estimated."""

    tokens: int
    window: int
    percent: float
    """One decimal."""
    level: Literal["warning", "critical"] | None = None
    original_tokens: int = 0
    """Before anything was left out; estimated."""
    messages_removed: int = 0
    lowered_to: int | None = None
    """The answer's limit, where it had to be smaller than asked."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The whole story of one request. Metrics, the log line, and the stores are views of it."""

    request_id: str
    dialect: str
    asked_for: str
    """`auto`, a tier, `named`, or `unknown`: never the client's own text."""
    stream: bool
    ending: Ending
    status: int
    decision: Decision | None = None
    routing_s: float = 0.0
    queued_s: float | None = None
    """How long it waited for a place; None: it did not have to."""
    cache: Literal["hit", "miss", "bypass"] | None = None
    """What the response cache did; None: there is none."""
    attempts: tuple[Attempt, ...] = ()
    endpoint: Endpoint | None = None
    """Who answered, wholly or in part."""
    error: str | None = None
    usage: Usage | None = None
    first_event_s: float | None = None
    total_s: float = 0.0
    cost_usd: float | None = None
    """Of all attempts."""
    cascade: str | None = None
    """What became of the cheap try: kept, escalated, fell_back (its answer was delivered all the same), unavailable."""
    check: str | None = None
    """What the cheap answer did not pass: the name of a check, or `score`."""
    key_name: str | None = None
    context: ContextUse | None = None
    prompt_estimate: int = 0
    """Tokens of the prompt that was sent, before anybody counted them."""
