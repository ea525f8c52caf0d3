"""The principal: what is not restricted or limited is said to be so."""

from __future__ import annotations

import msgspec
import pytest

from octoroute.domain.principal import Principal, PrincipalLimits, Restrictions


@pytest.mark.parametrize("field", [field.name for field in msgspec.structs.fields(Restrictions)])
def test_restrictions_restrict_if_any_field_does(field: str):
    value = ("a",) if field == "models" else frozenset({"a"})
    assert Restrictions(**{field: value})
    assert not Restrictions()


@pytest.mark.parametrize("field", [field.name for field in msgspec.structs.fields(PrincipalLimits)])
def test_limits_limit_if_any_field_does(field: str):
    assert PrincipalLimits(**{field: 1})
    assert not PrincipalLimits()


def test_a_principal_is_a_frozen_value():
    assert Principal(name="a", restrictions=Restrictions(tiers=frozenset({"fast"}))) == Principal(
        name="a", restrictions=Restrictions(tiers=frozenset({"fast"}))
    )
    assert len({Principal(name="a"), Principal(name="a"), Principal(name="b")}) == 2
    with pytest.raises(AttributeError):
        Principal(name="a").name = "b"  # pyright: ignore[reportAttributeAccessIssue]
