"""Tables of access control: keys, named clients, tokens, and the audit log."""

from __future__ import annotations

from typing import Annotated

from octoroute.config import rules
from octoroute.config.schema.terms import TermsTable
from octoroute.config.schema.tokens import JwtTable, LoginTable
from octoroute.domain import text_check
from octoroute.domain.endpoint import Secret
from octoroute.domain.option import Key, Table
from octoroute.domain.principal import AccessRole


class ClientTable(TermsTable, frozen=True, kw_only=True):
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
    jwt: Annotated[JwtTable, Key("tokens of OpenID Connect issuers; see auth.jwt")] = JwtTable()
    login: Annotated[LoginTable, Key("single sign-on for browsers; see auth.login")] = LoginTable()
    session_hours: Annotated[float, Key("how long a browser stays signed in at /login", above=0, high=720)] = 12.0

    @property
    def requires_key(self) -> bool:
        """Whether every route but /health* requires a key."""
        return bool(self.keys or self.clients or self.jwt.all_issuers)
