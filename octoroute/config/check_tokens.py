"""Checks of [auth.jwt] and [auth.login] across keys, and of the packages that they need."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from octoroute.config.check_clients import check_targets
from octoroute.config.environment import child
from octoroute.config.reader import ConfigReader
from octoroute.config.schema.file import FileTable
from octoroute.config.schema.tokens import IssuerTable
from octoroute.domain.endpoint import Endpoint

PACKAGES = ("jwt", "cryptography")


def check_tokens(file: FileTable, endpoints: Sequence[Endpoint], reader: ConfigReader) -> None:
    jwt = file.auth.jwt
    tables = [*([("auth.jwt", jwt)] if jwt.issuer else [])]
    tables += [(child("auth.jwt.issuers", at), table) for at, table in enumerate(jwt.issuers)]
    issuers: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    for path, table in tables:
        _check_issuer(path, table, reader)
        if (other := issuers.setdefault(table.issuer, path)) != path:
            reader.problem(child(path, "issuer"), f"is also the issuer of {other}; remove one of them")
        if (other := prefixes.setdefault(table.name_prefix, path)) != path:
            reader.problem(
                child(path, "name_prefix"),
                f"is that of {other}, so that callers of the two issuers could have one name; give each issuer its own",
            )
        check_targets(table, path, file, endpoints, reader)
    if tables:
        try:
            for package in PACKAGES:
                import_module(package)
        except ImportError:
            reader.problem("auth.jwt", 'needs the package PyJWT with cryptography; run: pip install "octoroute[oidc]"')
    _check_login(file, issuers, reader)


def _check_issuer(path: str, table: IssuerTable, reader: ConfigReader) -> None:
    if not table.issuer and not reader.wrong(child(path, "issuer")):
        reader.problem(child(path, "issuer"), "is missing; add it, exactly as the tokens name it (iss)")
    if not table.audience and not reader.wrong(child(path, "audience")):
        reader.problem(
            child(path, "audience"),
            'is missing: tokens for other programs would be accepted; add it, like audience = ["octoroute"]',
        )
    if not table.algorithms and not reader.wrong(child(path, "algorithms")):
        reader.problem(child(path, "algorithms"), "is empty, so that no token would be accepted; remove it for the default")
    if table.roles and not table.role_claim:
        reader.problem(child(path, "roles"), "needs role_claim, the claim that has these values; add it")


def _check_login(file: FileTable, issuers: dict[str, str], reader: ConfigReader) -> None:
    login = file.auth.login
    if not login.client_id:
        if login.client_secret is not None and login.client_secret.reveal():
            reader.problem("auth.login.client_id", "is missing; add this gateway's client id at the issuer")
        return
    if not issuers:
        reader.problem("auth.login", "needs an issuer; add [auth.jwt] issuer and audience")
    elif login.issuer not in {"", *issuers}:
        reader.problem("auth.login.issuer", "is no issuer of [auth.jwt]; use one of " + ", ".join(issuers))
    elif not login.issuer and not file.auth.jwt.issuer:
        reader.problem("auth.login.issuer", "is missing, as [auth.jwt] has no issuer of its own; name one of auth.jwt.issuers")
    if "openid" not in login.scopes:
        reader.problem("auth.login.scopes", 'must have "openid", without which there is no ID token; add it')
