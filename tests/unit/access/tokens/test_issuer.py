from __future__ import annotations

import msgspec
import pytest

from octoroute.access.tokens.compact import UnverifiedToken
from octoroute.access.tokens.issuer import MAX_GROUPS, Issuer, claim
from octoroute.domain.principal import AccessRole
from octoroute.errors import Unauthorized

ISSUER = Issuer(issuer="i", audience=("us", "them"), algorithms=("RS256",))
NOW = 1000.0


def with_(**more) -> Issuer:
    return msgspec.structs.replace(ISSUER, **more)


def token(**claims) -> UnverifiedToken:
    return UnverifiedToken("", "RS256", None, {"aud": "us", "exp": NOW + 10, **claims}, "i")


def test_a_token_counts_from_its_beginning_until_its_end_with_the_skew_on_both_sides():
    assert ISSUER.check_claims(token(), NOW) == NOW + 70
    assert ISSUER.check_claims(token(exp=NOW - 59, nbf=NOW + 60, iat=NOW + 60), NOW) == NOW + 1
    for changed in ({"exp": NOW - 60}, {"nbf": NOW + 61}, {"iat": NOW + 61}):
        with pytest.raises(Unauthorized):
            ISSUER.check_claims(token(**changed), NOW)
    with pytest.raises(Unauthorized):
        with_(clock_skew_s=0.0).check_claims(token(exp=NOW), NOW)


def test_one_audience_of_several_suffices_and_another_may_be_asked_for():
    assert ISSUER.check_claims(token(aud=["x", "them"]), NOW)
    with pytest.raises(Unauthorized, match="audience"):
        ISSUER.check_claims(token(), NOW, ("login",))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a", 1),
        ("b.c", 2),
        ("b", {"c": 2}),
        ("https://x.example/roles", 3),
        ("b.c.d", None),
        ("z", None),
        ("a.b", None),
        ("", None),
    ],
)
def test_a_claim_is_found_by_name_or_path(path, found):
    assert claim({"a": 1, "b": {"c": 2}, "https://x.example/roles": 3}, path) == found


@pytest.mark.parametrize(
    ("settings", "value", "role"),
    [
        ({}, "admin", AccessRole.USER),
        ({"role_claim": "r"}, "admin", AccessRole.ADMIN),
        ({"role_claim": "r"}, ["viewer", "operator", 7], AccessRole.OPERATOR),
        ({"role_claim": "r"}, {"admin": True}, AccessRole.USER),
        ({"role_claim": "r", "role": AccessRole.VIEWER}, "root", AccessRole.VIEWER),
        ({"role_claim": "r", "roles": (("boss", AccessRole.ADMIN),)}, "boss", AccessRole.ADMIN),
        ({"role_claim": "r", "roles": (("boss", AccessRole.ADMIN),)}, "admin", AccessRole.USER),
    ],
)
def test_the_highest_role_that_the_claim_names_counts(settings, value, role):
    assert with_(**settings).principal({"sub": "ann", "r": value}).role is role


def test_name_groups_and_budget_holder_come_from_the_claims():
    issuer = with_(name_claim="email", name_prefix="hr:", budget_claim="org.unit", groups_claim="teams", tags=("t",))
    principal = issuer.principal({"email": "a@x", "org": {"unit": "7"}, "teams": ["g", 3, "g", "\n", "h"]})
    assert (principal.name, principal.budget_holder, principal.groups, principal.tags) == ("hr:a@x", "hr:7", ("g", "h"), ("t",))
    assert not principal.is_listed
    assert len(ISSUER.principal({"sub": "a", "groups": [str(at) for at in range(999)]}).groups) == MAX_GROUPS
    with pytest.raises(Unauthorized, match="email"):
        issuer.principal({"sub": "a", "org": {"unit": "7"}})


def test_what_is_stored_belongs_to_the_subject_at_its_issuer():
    owner = ISSUER.owner({"sub": "a"})
    assert owner == with_(name_claim="email").owner({"sub": "a", "email": "b"})
    assert len({owner, with_(issuer="j").owner({"sub": "a"}), ISSUER.owner({"sub": "b"})}) == 3


def test_every_setting_is_in_the_fingerprint():
    assert len({ISSUER.fingerprint, with_(role=AccessRole.ADMIN).fingerprint, with_(audience=("us",)).fingerprint}) == 3
