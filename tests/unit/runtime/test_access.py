"""The keys of a configuration, as principals."""

from __future__ import annotations

import hashlib

import pytest

from octoroute.domain.price import to_micros
from octoroute.domain.principal import AccessRole, PrincipalLimits, Restrictions
from octoroute.errors import Unauthorized
from octoroute.runtime.access import key_registry
from tests.support.asgi import row
from tests.support.live_gateway import configured, settings


def ring(now: float = 0.0, **auth):
    return key_registry(configured(settings([row()], auth=auth)), lambda: now)


def test_a_plain_key_is_named_by_its_place_and_an_admin_key_goes_first():
    keys = ring(keys=["a", "b", "c"], admin_keys=["c"])
    named = {text: keys.check({"x-api-key": text}) for text in "abc"}
    assert {text: (found.name, found.role) for text, found in named.items() if found} == {
        "a": ("key-1", AccessRole.USER),
        "b": ("key-2", AccessRole.USER),
        "c": ("admin-1", AccessRole.ADMIN),
    }
    assert all(found is not None and found.restrictions is None and found.limits is None for found in named.values())


def test_a_client_has_all_that_its_table_says():
    keys = ring(
        clients=[
            {
                "name": "team",
                "key_sha256": hashlib.sha256(b"text").hexdigest(),
                "role": "operator",
                "groups": ["g"],
                "tags": ["t"],
                "tiers": ["fast"],
                "models": ["m", "x*"],
                "privacy": "eu",
                "requests_per_minute": 1,
                "tokens_per_minute": 2,
                "max_in_flight": 3,
                "budget_usd": {"day": 0.000001, "month": 4.5},
                "expires": "1970-01-01T00:01:00+00:00",
            }
        ]
    )
    found = keys.check({"x-api-key": "text"})
    assert found is not None
    assert (found.name, found.role, found.groups, found.tags) == ("team", AccessRole.OPERATOR, ("g",), ("t",))
    assert found.restrictions == Restrictions(tiers=frozenset({"fast"}), models=("m", "x*"), privacy=frozenset({"eu"}))
    assert found.limits == PrincipalLimits(
        requests_per_minute=1, tokens_per_minute=2, max_in_flight=3, budget_day_micros=1, budget_month_micros=4_500_000
    )
    assert keys.owner({"x-api-key": "text"}) == "client:team"


def test_a_client_expires():
    clients = [{"name": "team", "key": "text", "expires": "1970-01-01T00:01:00Z"}]
    assert ring(59.0, clients=clients).check({"x-api-key": "text"}) is not None
    with pytest.raises(Unauthorized, match="expired"):
        ring(60.0, clients=clients).check({"x-api-key": "text"})


def test_a_client_alone_closes_the_gateway():
    with pytest.raises(Unauthorized):
        ring(clients=[{"name": "team", "key": "text"}]).check({})


def test_money_is_rounded_to_micro_dollars():
    assert [to_micros(usd) for usd in (0.1, 0.29, 1e-6, 4e-7, 1e9)] == [100_000, 290_000, 1, 0, 1_000_000_000_000_000]
