"""Limits of a running instance."""

from __future__ import annotations

from pathlib import Path

import pytest

from octoroute.config import loads
from octoroute.domain.principal import PrincipalLimits
from octoroute.errors import ConfigError
from octoroute.runtime.assembly import Runtime
from octoroute.runtime.limits import limit_settings

BASE = '[[models.fast]]\nname = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'


def config(more: str):
    return loads(BASE + more, Path("test.toml"), {})


def test_tables_become_limits_in_micro_dollars_and_empty_ones_none():
    found = limit_settings(
        config(
            "[limits]\neverything = { requests_per_minute = 6, budget_usd = { day = 0.1, month = 2.5 } }\neach_user = {}\n"
            "[limits.groups]\nteam = { max_in_flight = 2 }\nfree = {}\n"
        )
    )
    assert found.everything == PrincipalLimits(requests_per_minute=6, budget_day_micros=100_000, budget_month_micros=2_500_000)
    assert found.each_user is None
    assert found.groups == {"team": PrincipalLimits(max_in_flight=2)}


@pytest.mark.parametrize(
    ("url", "name"),
    [("redis://127.0.0.1:1/0", "redis"), ("postgresql://u@127.0.0.1:1/d", "postgresql"), ("sqlite:///limits.db", "sqlite")],
)
def test_the_address_says_which_backend(url, name):
    runtime = Runtime(config(f'[shared]\nurl = "{url}"\n'), transport=object())
    assert runtime.gateway.settings.bookkeeper.ledger.name == name


def test_without_an_address_limits_are_kept_in_memory():
    assert Runtime(config(""), transport=object()).gateway.settings.bookkeeper.ledger.name == "memory"


@pytest.mark.parametrize("url", ["mysql://h/d", "redis", "sqlite://relative"])
def test_another_address_is_refused(url):
    with pytest.raises(ConfigError, match=r"shared\.url"):
        config(f'[shared]\nurl = "{url}"\n')


@pytest.mark.parametrize(("more", "words"), [("", "a restart forgets"), ("[server]\nworkers = 2\n", "each of the 2 workers")])
def test_limits_that_are_not_shared_are_warned_of(more, words):
    (warning,) = config(more + "[limits]\neverything = { max_in_flight = 3 }\n").warnings
    assert words in warning
