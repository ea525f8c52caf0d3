"""Tables of access control: keys, named clients, and what they may ask for and spend."""

from __future__ import annotations

from typing import Annotated

from octoroute.config import rules
from octoroute.domain import text_check
from octoroute.domain.endpoint import Secret
from octoroute.domain.option import Key, Table
from octoroute.domain.principal import AccessRole


class BudgetTable(Table, frozen=True, kw_only=True):
    """USD that the client's requests may cost, by UTC day and month; 0: no limit."""

    day: Annotated[float, Key("USD a day; 0 is no limit", low=0, high=1e9)] = 0.0
    month: Annotated[float, Key("USD a month; 0 is no limit", low=0, high=1e9)] = 0.0


class ClientTable(Table, frozen=True, kw_only=True):
    """A named client with a key of its own, what it may ask for, and what it may use."""

    name: Annotated[
        str, Key("unique name, shown in logs, metrics, and statistics", check=rules.client_name, required=True, example='"search"')
    ] = ""
    key: Annotated[
        Secret | None,
        Key("the client's key; it, or key_sha256, is required", check=rules.client_key, example='"a-long-random-text"'),
    ] = None
    key_sha256: Annotated[
        str,
        Key("SHA-256 of the key in hex, instead of the key", check=rules.key_digest, secret=True, example='""'),
    ] = ""
    role: Annotated[AccessRole, Key("what its requests may do; see docs/keys.md")] = AccessRole.USER
    groups: Annotated[tuple[str, ...], Key("groups that it belongs to", check=text_check.label, example='["research"]')] = ()
    tags: Annotated[tuple[str, ...], Key("labels for reports", check=text_check.label, example='["cost-centre-7"]')] = ()
    tiers: Annotated[
        tuple[str, ...], Key("tiers that may answer it; empty: every tier", names="tiers", example='["fast", "balanced"]')
    ] = ()
    models: Annotated[
        tuple[str, ...],
        Key("models that it may ask for: names, PROVIDER/NAME, or globs; empty: every model", check=text_check.label),
    ] = ()
    providers: Annotated[tuple[str, ...], Key("providers that may answer it; empty: every provider", check=text_check.label)] = ()
    regions: Annotated[
        tuple[str, ...],
        Key('regions of providers that may answer it, "eu" includes "eu-west-1"; empty: every one', check=rules.region_name),
    ] = ()
    privacy: Annotated[
        str, Key("privacy class that its requests never leave; see [privacy]", check=rules.region, example='"eu"')
    ] = ""
    requests_per_minute: Annotated[int, Key("requests per minute; 0 is no limit", low=0, high=1000000000)] = 0
    tokens_per_minute: Annotated[int, Key("tokens per minute; 0 is no limit", low=0, high=1000000000000)] = 0
    max_in_flight: Annotated[int, Key("concurrent requests; 0 is no limit", low=0, high=1000000)] = 0
    budget_usd: Annotated[BudgetTable | None, Key("USD that it may spend", example="{ day = 5.0, month = 100.0 }")] = None
    expires: Annotated[
        str,
        Key("when the key stops working (RFC 3339); blank: never", check=rules.timestamp, example='"2027-01-31T00:00:00Z"'),
    ] = ""


class AuditTable(Table, frozen=True, kw_only=True):
    """The audit log: who changed the configuration, keys, or switches, and who was refused what. See `docs/keys.md`."""

    file: Annotated[
        str, Key("JSON lines, only appended to; blank: no audit log", check=rules.path, example='"/var/log/octoroute/audit.ndjson"')
    ] = ""


class AuthTable(Table, frozen=True, kw_only=True):
    """Keys that clients must present."""

    keys: Annotated[
        tuple[Secret, ...],
        Key(
            "if set, every route but /health* requires one of them, as `Authorization: Bearer` or `x-api-key`",
            check=rules.client_key,
            example='["${OCTOROUTE_API_KEY}"]',
        ),
    ] = ()
    admin_keys: Annotated[
        tuple[Secret, ...],
        Key(
            "keys for the /admin routes, which are off without one; every other route accepts them too",
            check=rules.client_key,
            example='["${OCTOROUTE_ADMIN_KEY}"]',
        ),
    ] = ()
    clients: Annotated[tuple[ClientTable, ...], Key("named clients; see auth.clients")] = ()
    session_hours: Annotated[float, Key("how long a browser stays signed in at /login", above=0, high=720)] = 12.0

    @property
    def requires_key(self) -> bool:
        """Whether every route but /health* requires a key."""
        return bool(self.keys or self.clients)
