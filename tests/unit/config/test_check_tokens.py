from __future__ import annotations

import sys

import pytest

from octoroute.errors import ConfigError
from tests.support.asgi import row
from tests.support.live_gateway import configured, settings

JWT = {"issuer": "https://i.example", "audience": "us"}


def problems(**auth) -> str:
    with pytest.raises(ConfigError) as caught:
        configured(settings([row()], auth=auth))
    return "\n".join(caught.value.problems)


def test_an_issuer_and_an_audience_suffice_and_close_the_gateway():
    found = configured(settings([row()], auth={"jwt": JWT})).auth
    assert found.jwt.audience == ("us",)
    assert found.requires_key


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ({"jwt": {"issuer": "https://i.example"}}, "auth.jwt.audience: is missing"),
        ({"jwt": {**JWT, "issuer": "i.example"}}, "auth.jwt.issuer: must start with http"),
        ({"jwt": {**JWT, "algorithms": ["HS256"]}}, "auth.jwt.algorithms[0]: must be one of RS256"),
        ({"jwt": {**JWT, "algorithms": ["none"]}}, "auth.jwt.algorithms[0]: must be one of"),
        ({"jwt": {**JWT, "algorithms": []}}, "auth.jwt.algorithms: is empty"),
        ({"jwt": {**JWT, "roles": {"x": "admin"}}}, "auth.jwt.roles: needs role_claim"),
        ({"jwt": {**JWT, "role_claim": "r", "roles": {"x": "root"}}}, "auth.jwt.roles.x: must be one of viewer"),
        ({"jwt": {**JWT, "models": ["nothing"]}}, "auth.jwt.models"),
        ({"jwt": {**JWT, "issuers": [{"audience": ["us"]}]}}, "auth.jwt.issuers[0].issuer: is missing"),
        ({"jwt": {**JWT, "issuers": [JWT]}}, "is also the issuer of auth.jwt"),
        (
            {"jwt": {**JWT, "issuers": [{**JWT, "issuer": "https://j.example"}]}},
            "auth.jwt.issuers[0].name_prefix: is that of auth.jwt",
        ),
        ({"login": {"client_id": "c"}}, "auth.login: needs an issuer"),
        ({"login": {"client_secret": "s"}}, "auth.login.client_id: is missing"),
        ({"jwt": JWT, "login": {"client_id": "c", "issuer": "https://j.example"}}, "auth.login.issuer: is no issuer"),
        ({"jwt": JWT, "login": {"client_id": "c", "scopes": ["email"]}}, 'auth.login.scopes: must have "openid"'),
    ],
)
def test_what_is_missing_or_contradicts_is_named(auth, said):
    assert said in problems(**auth)


def test_the_package_to_install_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jwt", None)
    assert 'pip install "octoroute[oidc]"' in problems(jwt=JWT)


def test_an_issuer_without_tls_is_warned_of_unless_it_is_this_machine():
    def warned(url: str) -> bool:
        return any("auth.jwt" in text for text in configured(settings([row()], auth={"jwt": {**JWT, "issuer": url}})).warnings)

    assert warned("http://i.example")
    assert not warned("http://127.0.0.1:8080/realm")
    assert not warned("https://i.example")
