"""The keys of a configuration as the key registry holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from octoroute.access.credentials import digest_of
from octoroute.access.key_registry import KeyRegistry, KnownKey
from octoroute.access.tokens.issuer import Issuer
from octoroute.access.tokens.key_set import KeySets
from octoroute.config.check_clients import client_digest
from octoroute.config.schema import Config
from octoroute.config.schema.access import AuthTable, ClientTable
from octoroute.config.schema.terms import BudgetTable, TermsTable
from octoroute.config.schema.tokens import IssuerTable
from octoroute.domain.price import to_micros
from octoroute.domain.principal import AccessRole, Principal, PrincipalLimits, Restrictions

if TYPE_CHECKING:
    from octoroute.access.tokens.token_registry import TokenRegistry


def key_registry(config: Config, wall: Callable[[], float]) -> KeyRegistry:
    """`wall`: seconds since the epoch."""
    auth = config.auth
    return KeyRegistry(_known(auth), required=auth.requires_key, wall=wall)


def _known(auth: AuthTable) -> Iterator[KnownKey]:
    for role, name, keys in ((AccessRole.ADMIN, "admin", auth.admin_keys), (AccessRole.USER, "key", auth.keys)):
        for at, key in enumerate(keys, 1):
            digest = digest_of(key.reveal())
            # by digest: names are numbers, so that a change of the configuration can give a name to another key
            yield KnownKey(digest=digest, principal=Principal(name=f"{name}-{at}", role=role), owner=digest.hex())
    for client in auth.clients:
        digest = client_digest(client)
        if digest is not None:
            expires_at = datetime.fromisoformat(client.expires).timestamp() if client.expires else None
            yield KnownKey(digest=digest, principal=principal_of(client), owner=f"client:{client.name}", expires_at=expires_at)


def owners_in(auth: AuthTable, name: str) -> set[str]:
    """Under which clients with keys of this name have stored responses; also those of a client that was removed."""
    return {f"client:{name}", *(key.owner for key in _known(auth) if key.principal.name == name)}


def principal_of(client: ClientTable) -> Principal:
    restrictions, limits = _terms(client)
    return Principal(
        name=client.name, role=client.role, groups=client.groups, tags=client.tags, restrictions=restrictions, limits=limits
    )


def issuers_of(auth: AuthTable) -> tuple[Issuer, ...]:
    """The token issuers of the configuration."""
    return tuple(map(_issuer, auth.jwt.all_issuers))


def token_registry(auth: AuthTable, keys: KeySets, registry: KeyRegistry, wall: Callable[[], float]) -> TokenRegistry | None:
    """None: no token is accepted. `wall`: seconds since the epoch."""
    issuers = issuers_of(auth)
    if not issuers:
        return None
    # Imported here: it needs the packages of an extra.
    from octoroute.access.tokens.token_registry import TokenRegistry  # noqa: PLC0415

    return TokenRegistry(issuers, keys, registry, wall)


def _issuer(table: IssuerTable) -> Issuer:
    restrictions, limits = _terms(table)
    return Issuer(
        issuer=table.issuer,
        audience=table.audience,
        jwks_url=table.jwks_url,
        algorithms=table.algorithms,
        clock_skew_s=table.clock_skew_seconds,
        name_claim=table.name_claim,
        name_prefix=table.name_prefix,
        role_claim=table.role_claim,
        roles=tuple(table.roles.items()),
        role=table.role,
        groups_claim=table.groups_claim,
        budget_claim=table.budget_claim,
        tags=table.tags,
        restrictions=restrictions,
        limits=limits,
    )


def _terms(client: TermsTable) -> tuple[Restrictions | None, PrincipalLimits | None]:
    """None: no restriction, no limit."""
    restrictions = Restrictions(
        tiers=frozenset(client.tiers),
        models=client.models,
        providers=frozenset(client.providers),
        regions=frozenset(client.regions),
        privacy=frozenset({client.privacy.lower()} - {""}),
    )
    budget = client.budget_usd or BudgetTable()
    limits = PrincipalLimits(
        requests_per_minute=client.requests_per_minute,
        tokens_per_minute=client.tokens_per_minute,
        max_in_flight=client.max_in_flight,
        budget_day_micros=to_micros(budget.day),
        budget_month_micros=to_micros(budget.month),
    )
    return restrictions or None, limits or None
