"""Every configuration key with its meaning, range, and default, said once.

Validation, the template, and docs/configuration.md are read off these structs: a field is the key, its type hint the
type, its default the default, and `Key` the rest. Pure.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Literal, get_type_hints

import msgspec

from octoroute.balancing.policies import POLICIES
from octoroute.config import rules
from octoroute.dialects.openai.compat import PRESETS
from octoroute.domain.endpoint import Capability, Endpoint, ProviderLimits, Secret, Tier
from octoroute.domain.request import Importance
from octoroute.routing.cache_economics import StickyOptions
from octoroute.routing.difficulty.thresholds import Options
from octoroute.routing.rules import REQUEST_TYPES
from octoroute.routing.strategies import STRATEGIES, CascadeOptions
from octoroute.upstream.providers import plugins


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What is installed: the names that plug-ins answer to."""

    strategies: tuple[str, ...] = tuple(STRATEGIES)
    kinds: tuple[str, ...] = msgspec.field(default_factory=plugins.kinds)
    policies: tuple[str, ...] = tuple(POLICIES)
    quirks: tuple[str, ...] = tuple(PRESETS)
    request_types: tuple[str, ...] = tuple(REQUEST_TYPES)


class Key(msgspec.Struct, frozen=True):
    """What a field's type and default cannot say."""

    doc: str
    low: float | None = None
    """Smallest allowed."""
    above: float | None = None
    """Greater than this."""
    high: float | None = None
    """Largest allowed."""
    names: Literal["strategies", "kinds", "policies", "request_types", "quirks"] | None = None
    check: rules.Check | None = None
    """For each text of the value."""
    check_name: rules.Check | None = None
    """For each name of a table whose names are the user's."""
    secret: bool = False
    """Its values are never shown, wherever they come from."""
    fold: bool = False
    """Upper case is taken as lower case."""
    retired: Mapping[str, str] = {}
    """Values that earlier versions knew: what became of each."""
    required: bool = False
    example: str | None = None
    """As TOML, where the default shows too little."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Field(msgspec.Struct, frozen=True):
    name: str
    hint: object
    """The bare type, without `Annotated`."""
    key: Key
    default: object


@functools.cache
def fields(table: type[Table]) -> tuple[Field, ...]:
    hints = get_type_hints(table, include_extras=True)
    found: list[Field] = []
    for field in msgspec.structs.fields(table):
        annotated = hints[field.name]
        default = field.default_factory() if callable(field.default_factory) else field.default
        found.append(Field(field.name, annotated.__origin__, annotated.__metadata__[0], default))
    return tuple(found)


class ServerTable(Table, frozen=True, kw_only=True):
    """Where the gateway listens, and the limits of one request."""

    host: Annotated[
        str, Key("an IP address or localhost; anything but loopback without [auth] keys starts with a warning", check=rules.host)
    ] = "127.0.0.1"
    port: Annotated[int, Key("0 takes a free one and logs it", low=0, high=65535)] = 3000
    request_timeout_seconds: Annotated[
        float, Key("one attempt, until the first event of its answer; a whole answer is one event", low=1, high=3600)
    ] = 120.0
    stream_idle_timeout_seconds: Annotated[
        float, Key("the longest silence inside an answer that has begun", above=0, high=86400)
    ] = 300.0
    max_request_bytes: Annotated[int, Key("a larger request is answered 413", low=1, high=1 << 32)] = 33554432
    drain_timeout_seconds: Annotated[float, Key("how long answers in flight may take to finish on SIGTERM", low=0, high=86400)] = (
        30.0
    )
    workers: Annotated[int, Key("processes that share the port", low=1, high=256)] = 1
    upstream: Annotated[
        Literal["native", "aiohttp"],
        Key("the HTTP client towards endpoints: our own, or aiohttp's for servers that ours does not get on with"),
    ] = "native"


Headers = Annotated[
    Mapping[str, str],
    Key(
        "extra HTTP headers for the upstream",
        check=rules.header_value,
        check_name=rules.header_name,
        secret=True,
        example='{ X-Team = "search" }',
    ),
]


class TlsTable(Table, frozen=True, kw_only=True):
    """Whom an https endpoint must prove to be, and who we are. Files are PEM; their paths are taken from the current directory."""

    ca_file: Annotated[
        str | None, Key("the only authorities to believe; the system's when not said", check=rules.path, example='""')
    ] = None
    client_cert: Annotated[str | None, Key("our own certificate, for servers that ask for one", check=rules.path, example='""')] = (
        None
    )
    client_key: Annotated[
        str | None, Key("its key, without a passphrase; in the file of client_cert when not said", check=rules.path, example='""')
    ] = None
    pin_sha256: Annotated[
        tuple[str, ...],
        Key("SHA-256 of the server's certificate (DER) in hex; one of these it must be, besides being valid", check=rules.pin),
    ] = ()


Quirks = Annotated[
    tuple[str, ...],
    Key(
        "habits of an OpenAI-compatible server, laid over each other; guessed from address and model when not said",
        names="quirks",
        example='["vllm"]',
    ),
]


class ProviderTable(Table, frozen=True, kw_only=True):
    """Settings that endpoints share: an endpoint with `provider = "NAME"` inherits them, and its own keys win."""

    kind: Annotated[str, Key("the API its servers speak; openai is any OpenAI-compatible server", names="kinds")] = "openai"
    base_url: Annotated[
        str | None, Key("the API's root, as in an SDK's base_url", check=rules.base_url, example='"https://api.openai.com/v1"')
    ] = None
    api_key: Annotated[Secret | None, Key("sent as the kind wants it", check=rules.credential, example='"${OPENAI_API_KEY}"')] = (
        None
    )
    headers: Headers = {}
    api_version: Annotated[str | None, Key("azure only", check=rules.version, example='"2024-10-21"')] = None
    enabled: Annotated[bool, Key("false leaves its endpoints out; variables that only it uses need not be set")] = True
    timeout_seconds: Annotated[
        float | None, Key("instead of server.request_timeout_seconds and [timeouts]", low=1, high=3600, example="90")
    ] = None
    requests_per_minute: Annotated[int, Key("all its endpoints together; 0 is no limit", low=0, high=1000000000)] = 0
    tokens_per_minute: Annotated[int, Key("all its endpoints together; 0 is no limit", low=0, high=1000000000000)] = 0
    max_in_flight: Annotated[int, Key("all its endpoints at the same time; 0 is no limit", low=0, high=1000000)] = 0
    max_connections: Annotated[
        int, Key("open at the same time to one host; further requests wait; 0 is no limit", low=0, high=100000)
    ] = 0
    allow_auth_header_override: Annotated[
        bool, Key("true lets a credential in headers stand in for api_key; otherwise having both is an error")
    ] = False
    forward_client_key: Annotated[
        bool, Key("true sends a client's own key instead of api_key, which is for clients without one; for one vendor only")
    ] = False
    proxy: Annotated[
        Secret | None,
        Key(
            'URL of an HTTP proxy on the way, such as http://10.0.0.1:3128; needs server.upstream = "aiohttp"',
            check=rules.proxy,
            example='""',
        ),
    ] = None
    quirks: Quirks = ()
    tls: Annotated[TlsTable, Key("whom its endpoints must prove to be; see tls")] = TlsTable()


class PriceTable(Table, frozen=True, kw_only=True):
    """USD per million tokens."""

    input: Annotated[float, Key("fresh input", low=0, high=1e6)] = 0.0
    output: Annotated[float, Key("output", low=0, high=1e6)] = 0.0
    cached: Annotated[float | None, Key("cached input; as input when not said", low=0, high=1e6, example="0.075")] = None


class EndpointTable(Table, frozen=True, kw_only=True):
    """One model at one address."""

    name: Annotated[str, Key("what a client may ask for; replicas share it", check=rules.model_name, required=True)] = ""
    base_url: Annotated[
        str | None,
        Key("the API's root; required here or in its provider", check=rules.base_url, example='"http://127.0.0.1:11434/v1"'),
    ] = None
    provider: Annotated[
        str | None, Key("a kind, or the NAME of a [providers.NAME] table to inherit from; openai when not said", example='"openai"')
    ] = None
    model: Annotated[
        str | None, Key("what the upstream is asked for; the name when not said", check=rules.label, example='"qwen3:8b"')
    ] = None
    id: Annotated[
        str | None, Key("unique; made from name and address when not said", check=rules.endpoint_id, example='"fast-a"')
    ] = None
    api_key: Annotated[Secret | None, Key("sent as the kind wants it", check=rules.credential, example='"${MODEL_API_KEY}"')] = None
    headers: Headers = {}
    api_version: Annotated[str | None, Key("azure only", check=rules.version, example='"2024-10-21"')] = None
    max_tokens: Annotated[
        int | None,
        Key("output budget where the wire format requires one, and for /chat", low=1, high=4294967295, example="4096"),
    ] = None
    max_output_tokens: Annotated[
        int | None,
        Key(
            "of one answer; a larger wish is lowered in requests that are translated",
            low=1,
            high=4294967295,
            example="8192",
        ),
    ] = None
    temperature: Annotated[float | None, Key("for /chat only", low=0, high=2, example="0.7")] = None
    weight: Annotated[float, Key("its share among endpoints of the same priority", above=0)] = 1.0
    priority: Annotated[int, Key("higher is tried first", low=0, high=255)] = 1
    context_window: Annotated[
        int | None, Key("tokens; a longer prompt goes elsewhere", low=1, high=1000000000, example="65536")
    ] = None
    advertised_window: Annotated[
        int | None,
        Key(
            "the window that clients believe in; token counts they are told are scaled to it; needs context_window",
            low=1,
            high=1000000000,
            example="200000",
        ),
    ] = None
    capabilities: Annotated[
        tuple[Capability, ...] | None, Key("what it can do; everything when not said", example='["tools", "vision", "json"]')
    ] = None
    max_in_flight: Annotated[int, Key("requests at the same time; 0 is no limit", low=0, high=1000000)] = 0
    price: Annotated[PriceTable | None, Key("USD per million tokens", example="{ input = 0.15, output = 0.60 }")] = None
    quirks: Quirks = ()
    tls: Annotated[TlsTable, Key("whom it must prove to be, instead of the provider's; see tls")] = TlsTable()


class ModelsTable(Table, frozen=True, kw_only=True):
    """The endpoints of each tier. A tier without one falls to the next bigger tier, then to the next smaller."""

    fast: Annotated[tuple[EndpointTable, ...], Key("small and cheap")] = ()
    balanced: Annotated[tuple[EndpointTable, ...], Key("the middle")] = ()
    deep: Annotated[tuple[EndpointTable, ...], Key("the best there is")] = ()
    embedding: Annotated[tuple[EndpointTable, ...], Key("for /v1/embeddings")] = ()


class TierDescriptionsTable(Table, frozen=True, kw_only=True):
    """What each tier is for, told to the router model."""

    fast: Annotated[str, Key("short text", check=rules.description)] = (
        "small model: greetings, small talk, simple facts, short rewrites, classification, extraction"
    )
    balanced: Annotated[str, Key("short text", check=rules.description)] = (
        "medium model: everyday questions, summaries, explanations, ordinary coding, multi-step instructions"
    )
    deep: Annotated[str, Key("short text", check=rules.description)] = (
        "large model: hard reasoning, proofs, architecture and difficult code, careful analysis, long creative work"
    )


class RouterTimeoutsTable(Table, frozen=True, kw_only=True):
    """Seconds that the routing question may take, by the tier that answers it."""

    fast: Annotated[float, Key("seconds", above=0, high=3600)] = 10.0
    balanced: Annotated[float, Key("seconds", above=0, high=3600)] = 10.0
    deep: Annotated[float, Key("seconds", above=0, high=3600)] = 10.0


class RuleTable(Table, frozen=True, kw_only=True):
    """A rule applies when all of its conditions do; a condition left out always does, and a glob knows `*`, `?`, and `[abc]`.
    It has one action: tier, endpoint, provider, or reject; or none of them, and a policy.
    """

    name: Annotated[str, Key("unique; decisions, logs, and metrics say it", check=rules.label, required=True)] = ""
    enabled: Annotated[bool, Key("false passes over it")] = True
    override: Annotated[
        bool,
        Key(
            "true: also for requests that name a tier or a configured model; else for auto, and if `model` is set for unknown names"
        ),
    ] = False
    fall_through: Annotated[
        bool, Key("when its target cannot be asked now the next rule has its turn; false makes the client wait or fail")
    ] = True
    model: Annotated[
        str | None, Key("condition: what the client asked for; a glob in any case", check=rules.label, example='"gpt-4*"')
    ] = None
    user: Annotated[
        str | None,
        Key("condition: user, safety_identifier, or metadata.user_id; a glob", check=rules.label, example='"team-a-*"'),
    ] = None
    key: Annotated[
        str | None,
        Key("condition: the client's key; the first of auth.keys is key-1; a glob", check=rules.label, example='"key-1"'),
    ] = None
    request_type: Annotated[str | None, Key("condition: what kind of request it is", names="request_types", example='"vision"')] = (
        None
    )
    min_tokens: Annotated[int | None, Key("condition: the estimated prompt is at least so long", low=0, example="8000")] = None
    max_tokens: Annotated[int | None, Key("condition: the estimated prompt is at most so long", low=0, example="60000")] = None
    max_output: Annotated[
        int | None, Key("condition: the client limits the answer, to at most so many tokens", low=1, example="4096")
    ] = None
    headers: Annotated[
        Mapping[str, str],
        Key("condition: request headers, each a glob", check_name=rules.header_name, secret=True, example='{ X-Team = "a*" }'),
    ] = {}
    stream: Annotated[bool | None, Key("condition: streamed, or whole", example="true")] = None
    dialect: Annotated[
        Literal["openai", "anthropic", "responses", "simple"] | None,
        Key("condition: the API the client speaks; simple is /chat", example='"openai"'),
    ] = None
    tier: Annotated[Tier | None, Key("action: to this tier", example='"deep"')] = None
    endpoint: Annotated[
        str | None, Key("action: to the endpoints of this name, or the one with this id", check=rules.label, example='"qwen3-8b"')
    ] = None
    provider: Annotated[
        str | None, Key("action: to this provider, in whichever tier the request belongs", check=rules.label, example='"openai"')
    ] = None
    reject: Annotated[str | None, Key("action: 403 with this message", check=rules.message, example='"not here"')] = None
    policy: Annotated[str | None, Key("instead of selection.policy and order", names="policies", example='"sticky"')] = None


class SharesTable(Table, frozen=True, kw_only=True):
    """Of the traffic for `auto`, per tier; they add up to 1."""

    fast: Annotated[float, Key("share", low=0, high=1)] = 0.0
    balanced: Annotated[float, Key("share", low=0, high=1)] = 0.0
    deep: Annotated[float, Key("share", low=0, high=1)] = 0.0


class ThresholdsTable(Table, frozen=True, kw_only=True):
    """The difficulty from which a request goes to a tier; below `balanced` it goes to fast."""

    balanced: Annotated[float, Key("difficulty", low=0, high=1, required=True)] = 0.0
    deep: Annotated[float, Key("difficulty", low=0, high=1, required=True)] = 1.0


class LearnedTable(Table, frozen=True, kw_only=True):
    """For the strategies learned and cascade: from a difficulty to a tier. Give at most one of shares, thresholds, and quality."""

    artefact: Annotated[
        str | None,
        Key("a file that `octoroute train` has written; the shipped one when not said", check=rules.label, example='"router.json"'),
    ] = None
    shares: Annotated[
        SharesTable | None,
        Key(
            "how much of everyday traffic each tier gets; fast 0.5, balanced 0.35, deep 0.15 when nothing is said",
            example="{ fast = 0.5, balanced = 0.35, deep = 0.15 }",
        ),
    ] = None
    thresholds: Annotated[
        ThresholdsTable | None,
        Key("instead of shares, as `octoroute calibrate` prints them", example="{ balanced = 0.31, deep = 0.66 }"),
    ] = None
    quality: Annotated[
        float | None,
        Key(
            "instead of shares: 0 is as cheap as possible, 1 as good as possible, 0.5 the default shares",
            low=0,
            high=1,
            example="0.5",
        ),
    ] = None
    explore: Annotated[
        float,
        Key(
            "the share of requests that goes to a tier drawn by lot, so that `octoroute replay` can compare policies",
            low=0,
            high=0.5,
        ),
    ] = 0.0


class CascadeTable(Table, frozen=True, kw_only=True):
    """For the strategy cascade: a cheap answer is checked before it is passed on, and a bigger tier asked when it will not do."""

    tier: Annotated[Tier, Key("asked first")] = Tier.FAST
    escalate_to: Annotated[Tier, Key("asked when the first answer does not pass; must be a bigger tier")] = Tier.DEEP
    skip_above: Annotated[float, Key("the question's difficulty from which the first try is left out", low=0, high=1)] = 0.5
    escalate_above: Annotated[float, Key("the answer's difficulty from which the bigger tier is asked", low=0, high=1)] = 0.5
    hold_seconds: Annotated[float, Key("how long a streamed answer is held back to be checked", low=0, high=600)] = 10.0
    hold_characters: Annotated[int, Key("how much of a streamed answer is held back to be checked", low=0, high=1000000)] = 20000


class StickyTable(Table, frozen=True, kw_only=True):
    """A conversation keeps its tier while a change would cost more than it gains. Not for decisions by rule, or by the client."""

    enabled: Annotated[bool, Key("true or false")] = True
    ttl_seconds: Annotated[float, Key("how long a conversation is remembered after its last answer", above=0, high=604800)] = 3600.0
    max_conversations: Annotated[int, Key("the most that are remembered; the oldest are forgotten first", low=1, high=10000000)] = (
        10000
    )
    climb_after_failures: Annotated[
        int, Key("failed tool results in a row after which a bigger tier is asked; 0 never", low=0, high=100)
    ] = 3


class ShadowTable(Table, frozen=True, kw_only=True):
    """Asks the other tiers the same question after the client has its answer, and keeps who was right: never text."""

    share: Annotated[float, Key("of the requests for `auto`; 0 turns it off", low=0, high=1)] = 0.0
    max_per_minute: Annotated[int, Key("requests that are looked at", low=1, high=100000)] = 6
    max_cost_per_day_usd: Annotated[float, Key("by the configured prices, judge included", low=0, high=1e6)] = 1.0
    judge_tier: Annotated[
        Tier | None, Key("compares two answers in both orders where nothing simpler decides", example='"deep"')
    ] = None
    path: Annotated[str, Key("a file of one JSON object a line, which is appended to", check=rules.label)] = "shadow.ndjson"


class RoutingTable(Table, frozen=True, kw_only=True):
    """Who decides the tier of a request for `auto`."""

    strategy: Annotated[
        str,
        Key(
            "learned: by how hard the work looks; cascade: a cheap answer is checked first; rule: by fixed rules; "
            "llm: a model is asked; hybrid: rules first, the model for what they leave open",
            names="strategies",
            retired={"tool": "is not implemented"},
        ),
    ] = "learned"
    default_importance: Annotated[Importance, Key("for requests that do not say theirs")] = Importance.NORMAL
    default_tier: Annotated[Tier, Key("when no rule matches, or the router model failed")] = Tier.BALANCED
    router_tier: Annotated[Tier, Key("which tier answers the routing question")] = Tier.BALANCED
    claude_aliases: Annotated[
        bool, Key("list claude-octoroute-auto, -fast, -balanced, -deep to Anthropic clients, so that Claude Code offers them")
    ] = False
    tiers: Annotated[TierDescriptionsTable, Key("what each tier is for")] = TierDescriptionsTable()
    router_timeouts: Annotated[RouterTimeoutsTable, Key("time limits of the routing question")] = RouterTimeoutsTable()
    allow_provider_prefix: Annotated[
        bool, Key("clients may choose the provider, as `PROVIDER/MODEL` or with the header x-octoroute-provider")
    ] = True
    rules: Annotated[
        tuple[RuleTable, ...], Key("[[routing.rules]]: before anything else decides, in order; the first that applies wins")
    ] = ()
    learned: Annotated[LearnedTable, Key("the learned score")] = LearnedTable()
    cascade: Annotated[CascadeTable, Key("the checks of a cheap answer")] = CascadeTable()
    sticky: Annotated[StickyTable, Key("conversations keep their tier")] = StickyTable()
    shadow: Annotated[ShadowTable, Key("labels from one's own traffic")] = ShadowTable()

    @property
    def learned_options(self) -> Options:
        table = self.learned
        return Options(
            artefact=table.artefact,
            shares=None if table.shares is None else msgspec.structs.asdict(table.shares),
            thresholds=None if table.thresholds is None else msgspec.structs.asdict(table.thresholds),
            quality=table.quality,
        )

    @property
    def cascade_options(self) -> CascadeOptions:
        table = self.cascade
        return CascadeOptions(
            tier=table.tier,
            escalate_to=table.escalate_to,
            skip_above=table.skip_above,
            escalate_above=table.escalate_above,
            hold_s=table.hold_seconds,
            hold_characters=table.hold_characters,
        )

    @property
    def sticky_options(self) -> StickyOptions:
        table = self.sticky
        return StickyOptions(
            enabled=table.enabled,
            ttl_s=table.ttl_seconds,
            max_conversations=table.max_conversations,
            climb_after_failures=table.climb_after_failures,
        )

    @property
    def tier_descriptions(self) -> Mapping[Tier, str]:
        return {Tier.FAST: self.tiers.fast, Tier.BALANCED: self.tiers.balanced, Tier.DEEP: self.tiers.deep}

    @property
    def router_timeout_s(self) -> float:
        limits = self.router_timeouts
        return {Tier.FAST: limits.fast, Tier.BALANCED: limits.balanced, Tier.DEEP: limits.deep}[self.router_tier]


class SelectionTable(Table, frozen=True, kw_only=True):
    """Which endpoint of a tier is asked first."""

    policy: Annotated[str, Key("inside one priority", names="policies")] = "weighted"
    order: Annotated[
        Literal["endpoint", "priority", "round_robin", "random"],
        Key(
            "endpoint: by the priority of each, then by policy; priority, round_robin, random: one provider after the other, its "
            "models in file order"
        ),
    ] = "endpoint"
    sticky_by: Annotated[
        Literal["conversation", "user", "key"],
        Key("what policy sticky keeps at one endpoint; a request without user or key goes by its conversation"),
    ] = "conversation"
    max_cost_usd: Annotated[
        float | None, Key("endpoints that would probably cost more than this for one request are left out", above=0, example="0.50")
    ] = None


class RetryTable(Table, frozen=True, kw_only=True):
    """What happens when an endpoint fails before its answer has begun."""

    max_attempts: Annotated[
        int,
        Key("tries in order; a shorter list is walked again after a pause; 0 tries every candidate exactly once", low=0, high=100),
    ] = 3
    backoff: Annotated[Literal["exponential", "linear", "fixed"], Key("the pause before the same endpoint is asked again")] = (
        "exponential"
    )


class QueueTable(Table, frozen=True, kw_only=True):
    """Where requests wait when everything that could answer them is full: first come first served, clients in turn."""

    max_waiting: Annotated[int, Key("requests that may wait; 0 turns the queue off", low=0, high=1000000)] = 0
    max_wait_seconds: Annotated[float, Key("after that 429 with retry-after", above=0, high=3600)] = 30.0


class HealthTable(Table, frozen=True, kw_only=True):
    """When an endpoint is left alone, and how it comes back."""

    interval_seconds: Annotated[
        float, Key("between background probes of {base_url}/models; 0 turns them off", low=0, high=86400)
    ] = 30.0
    failure_threshold: Annotated[int, Key("consecutive failures that open the circuit", low=1, high=1000)] = 3
    recovery_seconds: Annotated[float, Key("before an open endpoint gets one trial request", above=0, high=86400)] = 30.0


class TimeoutsTable(Table, frozen=True, kw_only=True):
    """request_timeout_seconds by tier. A whole answer must be there in time too, which a slow local model may need minutes for."""

    fast: Annotated[float | None, Key("seconds", low=1, high=3600, example="15")] = None
    balanced: Annotated[float | None, Key("seconds", low=1, high=3600, example="30")] = None
    deep: Annotated[float | None, Key("seconds", low=1, high=3600, example="60")] = None


class ContextTable(Table, frozen=True, kw_only=True):
    """What happens to a prompt that is too long for every endpoint's context_window, and how full windows are reported."""

    policy: Annotated[
        Literal["reject", "truncate", "off"],
        Key(
            "reject: 400 in the words that make agents compact themselves; truncate: the oldest exchanges are left out; off: "
            "windows are not looked at"
        ),
    ] = "reject"
    reserve_output: Annotated[
        Literal["requested", "none"], Key("requested: prompt and max_tokens together must fit; none: the prompt alone")
    ] = "requested"
    warn_at: Annotated[float, Key("share of the window above which x-octoroute-context says warning", low=0, high=1)] = 0.6
    critical_at: Annotated[float, Key("share above which it says critical", low=0, high=1)] = 0.8
    report: Annotated[
        Literal["headers", "body", "off"],
        Key("where context_info goes; body adds fields that strict clients may refuse"),
    ] = "headers"


class AuthTable(Table, frozen=True, kw_only=True):
    """Who may use the gateway."""

    keys: Annotated[
        tuple[Secret, ...],
        Key(
            "when set, everything but /health* needs one as `Authorization: Bearer` or `x-api-key`",
            check=rules.client_key,
            example='["${OCTOROUTE_API_KEY}"]',
        ),
    ] = ()
    admin_keys: Annotated[
        tuple[Secret, ...],
        Key(
            "for the /admin routes, which are off without one; they are good for every other route too",
            check=rules.client_key,
            example='["${OCTOROUTE_ADMIN_KEY}"]',
        ),
    ] = ()


class CacheTable(Table, frozen=True, kw_only=True):
    """Answers kept in memory, for the same question asked again. Off, it costs nothing."""

    enabled: Annotated[bool, Key("keep whole answers to questions with temperature 0, or with `x-octoroute-cache: use`")] = False
    ttl_seconds: Annotated[float, Key("how long an answer is kept", above=0, high=31536000)] = 300.0
    max_bytes: Annotated[int, Key("of all answers of a process; those not asked for the longest go first", low=1, high=1 << 40)] = (
        67108864
    )
    max_entries: Annotated[int, Key("answers in a process", low=1, high=100000000)] = 10000
    scope: Annotated[
        Literal["key", "everyone"], Key("who shares an answer: those with the same key, or everybody who asks the same")
    ] = "key"


class ObservabilityTable(Table, frozen=True, kw_only=True):
    """What is logged, and how."""

    log_level: Annotated[Literal["trace", "debug", "info", "warn", "error"], Key("prompts never appear above debug", fold=True)] = (
        "info"
    )
    log_format: Annotated[Literal["auto", "console", "json"], Key("auto is console on a terminal, else json")] = "auto"


class TrafficLogTable(Table, frozen=True, kw_only=True):
    """Every request with its answer, a line of JSON each, in files of their own; keys are left out, prompts are not."""

    enabled: Annotated[bool, Key("true writes them")] = False
    directory: Annotated[str, Key("made if it is not there", check=rules.label)] = "logs"
    name: Annotated[str, Key("the file is called NAME.ndjson", check=rules.file_stem)] = "traffic"
    max_body_bytes: Annotated[
        int, Key("of each request and each answer; what is longer is cut, 0 leaves bodies out", low=0, high=1 << 30)
    ] = 1048576
    queue_bytes: Annotated[
        int, Key("what may wait for a slow disk; more is dropped and counted, and no answer waits", low=65536, high=1 << 32)
    ] = 67108864
    redact: Annotated[
        tuple[str, ...],
        Key("regular expressions; what they match is written as ***", check=rules.pattern, example="['[0-9]{16}']"),
    ] = ()


class RotationTable(Table, frozen=True, kw_only=True):
    """When a log file is put aside as NAME.YYYYMMDD_HHMMSS.ndjson, and how long it is kept."""

    enabled: Annotated[bool, Key("false lets the file grow")] = True
    max_size_mb: Annotated[float, Key("a line that would make it larger goes to a new file", above=0, high=1048576)] = 50.0
    compression: Annotated[bool, Key("gzip what was put aside")] = True
    compress_immediately: Annotated[bool, Key("false: at the next cleanup")] = True
    max_backups: Annotated[int, Key("files put aside that are kept; 0 keeps all", low=0, high=1000000)] = 10
    max_age_days: Annotated[float, Key("older ones are removed; 0 keeps all", low=0, high=36500)] = 30.0
    cleanup_interval_hours: Annotated[float, Key("between two cleanups", above=0, high=8760)] = 24.0


class LoggingTable(Table, frozen=True, kw_only=True):
    """Logs in files. The log on standard output is [observability]'s."""

    traffic: Annotated[TrafficLogTable, Key("requests and answers")] = TrafficLogTable()
    rotation: Annotated[RotationTable, Key("of the files")] = RotationTable()


class FileTable(Table, frozen=True, kw_only=True):
    """A whole configuration file."""

    server: Annotated[ServerTable, Key("")] = ServerTable()
    providers: Annotated[Mapping[str, ProviderTable], Key("", check_name=rules.label)] = {}
    models: Annotated[ModelsTable, Key("")] = ModelsTable()
    routing: Annotated[RoutingTable, Key("")] = RoutingTable()
    selection: Annotated[SelectionTable, Key("")] = SelectionTable()
    retry: Annotated[RetryTable, Key("")] = RetryTable()
    queue: Annotated[QueueTable, Key("")] = QueueTable()
    health: Annotated[HealthTable, Key("")] = HealthTable()
    timeouts: Annotated[TimeoutsTable, Key("")] = TimeoutsTable()
    context: Annotated[ContextTable, Key("")] = ContextTable()
    auth: Annotated[AuthTable, Key("")] = AuthTable()
    cache: Annotated[CacheTable, Key("")] = CacheTable()
    observability: Annotated[ObservabilityTable, Key("")] = ObservabilityTable()
    logging: Annotated[LoggingTable, Key("")] = LoggingTable()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway runs on. Endpoints stand in tier order, fast first, and in file order inside a tier."""

    server: ServerTable = ServerTable()
    endpoints: tuple[Endpoint, ...] = ()
    embedding: tuple[Endpoint, ...] = ()
    limits: Mapping[str, ProviderLimits] = {}
    """By provider; only those that have a limit."""
    routing: RoutingTable = RoutingTable()
    selection: SelectionTable = SelectionTable()
    retry: RetryTable = RetryTable()
    queue: QueueTable = QueueTable()
    health: HealthTable = HealthTable()
    context: ContextTable = ContextTable()
    auth: AuthTable = AuthTable()
    cache: CacheTable = CacheTable()
    observability: ObservabilityTable = ObservabilityTable()
    logging: LoggingTable = LoggingTable()
    source: str = ""
    warnings: tuple[str, ...] = ()
    file: FileTable = FileTable()
    """The same as the file has it, defaults filled in."""
    written: Mapping[str, str] = {}
    """By path, the text in the file for each value that the environment had a part in."""
