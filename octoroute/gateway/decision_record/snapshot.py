"""The snapshot of the settings that decision records refer to: kept once for each configuration, under its digest.

It has no secret and no header: endpoints that share a key have the same number instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from octoroute.domain.endpoint import Capability, Endpoint, FailureDomain, Secret, Tier, failure_domain
from octoroute.domain.price import Price
from octoroute.domain.request import Importance
from octoroute.gateway.context_window import ContextPolicy
from octoroute.gateway.settings import Settings
from octoroute.routing.basis import RoutingBasis
from octoroute.routing.rules import Rule


class EndpointSnapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of an endpoint that decisions depend on."""

    id: str
    name: str
    tier: Tier
    kind: str
    provider: str
    base_url: str
    model: str
    domain: int
    """Equal for endpoints that fail together."""
    dialects: tuple[str, ...]
    """The wire formats in which clients' bytes need no translation."""
    region: str = ""
    priority: int = 1
    position: int = 0
    weight: float = 1.0
    max_in_flight: int = 0
    context_window: int | None = None
    capabilities: frozenset[Capability] = frozenset(Capability)
    price: Price | None = None
    privacy: frozenset[str] = frozenset()

    def endpoint(self) -> Endpoint:
        """An endpoint that nothing can be sent to."""
        fields = msgspec.structs.asdict(self)
        del fields["dialects"]
        domain = fields.pop("domain")
        known = {name for name in fields if name in Endpoint.__struct_fields__}
        return Endpoint(**{name: fields[name] for name in known}, api_key=Secret(str(domain)))


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    version: int = 1
    basis: RoutingBasis
    endpoints: tuple[EndpointSnapshot, ...]
    default_importance: Importance
    aliases: Mapping[str, str] = {}
    rules: tuple[Mapping[str, object], ...] = ()
    """Without their conditions on headers, on the user, and on the type of the request."""
    context: ContextPolicy = ContextPolicy()
    max_cost_usd: float | None = None
    max_attempts: int
    named_tiers_fall_over: bool = False
    allow_provider_prefix: bool = True
    privacy_classes: Mapping[str, frozenset[str]] = {}

    def ids(self) -> list[str]:
        """Of the endpoints, by position."""
        return [endpoint.id for endpoint in self.endpoints]

    def index(self) -> Mapping[str, int]:
        """Positions by endpoint id."""
        return {id: position for position, id in enumerate(self.ids())}


def snapshot_of(settings: Settings, dialects: Callable[[Endpoint], tuple[str, ...]]) -> Snapshot:
    """`dialects`: those that an endpoint speaks."""
    domains: dict[FailureDomain, int] = {}
    return Snapshot(
        basis=settings.basis,
        endpoints=tuple(
            _endpoint(endpoint, domains.setdefault(failure_domain(endpoint), len(domains)), dialects(endpoint))
            for endpoint in settings.endpoints
        ),
        default_importance=settings.default_importance,
        aliases=settings.aliases.targets,
        rules=tuple(map(_rule, settings.rules)),
        context=settings.context,
        max_cost_usd=settings.max_cost_usd,
        max_attempts=settings.retry.max_attempts,
        named_tiers_fall_over=settings.named_tiers_fall_over,
        allow_provider_prefix=settings.allow_provider_prefix,
        privacy_classes=settings.privacy_classes,
    )


def _endpoint(endpoint: Endpoint, domain: int, dialects: tuple[str, ...]) -> EndpointSnapshot:
    shared = {name: getattr(endpoint, name) for name in EndpointSnapshot.__struct_fields__ if hasattr(endpoint, name)}
    return EndpointSnapshot(**shared, domain=domain, dialects=dialects)


def _rule(rule: Rule) -> Mapping[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(rule)
    kept = {name: value for name, value in fields.items() if name not in {"headers", "user", "request_type"}}
    return {name: value for name, value in kept.items() if value is not None}


def encode(snapshot: Snapshot) -> bytes:
    return msgspec.msgpack.encode(snapshot, order="deterministic")


_DECODER = msgspec.msgpack.Decoder(Snapshot)


def decode(encoded: bytes) -> Snapshot:
    return _DECODER.decode(encoded)
