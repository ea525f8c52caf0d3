"""Tables of OpenID Connect: whose tokens are accepted as clients, and how a browser signs in at an identity provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from octoroute.config import rules
from octoroute.config.schema.terms import TermsTable
from octoroute.domain import text_check
from octoroute.domain.endpoint import Secret
from octoroute.domain.option import Key, Table
from octoroute.domain.principal import AccessRole

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class IssuerTable(TermsTable, frozen=True, kw_only=True):
    """An issuer whose tokens are accepted, what its claims mean, and what its tokens may ask for and use."""

    issuer: Annotated[
        str,
        Key(
            "the issuer, exactly as its tokens name it (iss); blank: no tokens",
            check=rules.optional_url,
            example='"https://login.example.com/realms/team"',
        ),
    ] = ""
    audience: Annotated[
        tuple[str, ...],
        Key(
            "audiences (aud), one of which a token must have; required",
            check=text_check.label,
            single=True,
            example='["octoroute"]',
        ),
    ] = ()
    jwks_url: Annotated[
        str, Key("where the issuer's keys are; blank: found by OpenID Connect Discovery", check=rules.optional_url, example='""')
    ] = ""
    algorithms: Annotated[tuple[Algorithm, ...], Key("signature algorithms that are accepted")] = ("RS256", "ES256")
    clock_skew_seconds: Annotated[float, Key("by how much clocks may differ (exp, nbf, iat)", low=0, high=600)] = 60.0
    name_claim: Annotated[
        str, Key("claim with the caller's name, such as email; full stops lead into objects", check=text_check.label)
    ] = "sub"
    name_prefix: Annotated[
        str,
        Key(
            "put before names and budget holders, so that those of two issuers differ", check=rules.optional_label, example='"hr:"'
        ),
    ] = ""
    role_claim: Annotated[
        str,
        Key(
            "claim with the caller's role or roles; blank: every caller has `role`",
            check=rules.optional_label,
            example='"realm_access.roles"',
        ),
    ] = ""
    roles: Annotated[
        Mapping[str, AccessRole],
        Key(
            "the role for a value of role_claim, the highest of several; without any, the values are the roles",
            check_name=text_check.label,
            example='{ gateway-admins = "admin" }',
        ),
    ] = {}
    role: Annotated[AccessRole, Key("role of callers whose claim names none")] = AccessRole.USER
    groups_claim: Annotated[str, Key("claim with the caller's groups; see limits.groups", check=rules.optional_label)] = "groups"
    budget_claim: Annotated[
        str,
        Key(
            "claim with the budget's holder, which all its callers share; blank: each has its own",
            check=rules.optional_label,
            example='"department"',
        ),
    ] = ""
    tags: Annotated[tuple[str, ...], Key("labels for reports", check=text_check.label)] = ()


class JwtTable(IssuerTable, frozen=True, kw_only=True):
    """Tokens of an OpenID Connect issuer as keys; needs `octoroute[oidc]`. See `docs/sign-in.md`."""

    issuers: Annotated[tuple[IssuerTable, ...], Key("further issuers; see auth.jwt.issuers")] = ()

    @property
    def all_issuers(self) -> tuple[IssuerTable, ...]:
        """Those that are set, this table's own first."""
        return (*([self] if self.issuer else []), *self.issuers)


class LoginTable(Table, frozen=True, kw_only=True):
    """Single sign-on for browsers at an issuer of [auth.jwt]: the authorization code flow with PKCE. See `docs/sign-in.md`."""

    client_id: Annotated[
        str,
        Key("this gateway's client id at the issuer; blank: no single sign-on", check=rules.optional_label, example='"octoroute"'),
    ] = ""
    client_secret: Annotated[
        Secret | None, Key("its secret; not set: a public client", check=rules.credential, example='"${OCTOROUTE_CLIENT_SECRET}"')
    ] = None
    issuer: Annotated[str, Key("the issuer; blank: auth.jwt.issuer", check=rules.optional_url)] = ""
    scopes: Annotated[tuple[str, ...], Key("scopes that are asked for", check=text_check.label)] = ("openid", "profile", "email")
    public_url: Annotated[
        str,
        Key(
            "the gateway's address for browsers; PUBLIC_URL/login/callback is the redirect URI; blank: the request's own",
            check=rules.optional_url,
            example='"https://octoroute.example.com"',
        ),
    ] = ""
