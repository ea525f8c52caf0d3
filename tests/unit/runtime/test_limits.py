"""Limits of a running instance."""

from __future__ import annotations

from pathlib import Path

import pytest

from octoroute.config import loads
from octoroute.domain.principal import PrincipalLimits
from octoroute.errors import ConfigError
from octoroute.runtime.assembly import Runtime
from octoroute.runtime.limits import file_of_workers, limit_settings

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


def test_without_an_address_limits_are_in_memory_or_in_the_file_of_the_workers(tmp_path):
    for file, name in ((None, "memory"), (tmp_path / "limits.db", "sqlite")):
        assert Runtime(config(""), transport=object(), limits_file=file).gateway.settings.bookkeeper.ledger.name == name


@pytest.mark.parametrize("url", ["mysql://h/d", "redis", "sqlite://relative"])
def test_another_address_is_refused(url):
    with pytest.raises(ConfigError, match=r"shared\.url"):
        config(f'[shared]\nurl = "{url}"\n')


def test_limits_that_a_restart_forgets_are_warned_of_and_those_of_workers_are_kept():
    limits = "[limits]\neverything = { max_in_flight = 3 }\n"
    (warning,) = config(limits).warnings
    assert "a restart forgets" in warning
    assert config("[server]\nworkers = 2\n" + limits).warnings == ()


def test_workers_share_a_file_by_port_or_one_that_goes_with_the_parent(tmp_path):
    with file_of_workers(config("[server]\nport = 3003\n"), tmp_path / "state") as file:
        assert file == tmp_path / "state" / "limits-3003.db"
        assert file.stat().st_mode & 0o777 == 0o600
    assert file.exists()
    (tmp_path / "file").write_text("")
    for port, directory in ((0, tmp_path), (3003, None), (3003, tmp_path / "file")):
        with file_of_workers(config(f"[server]\nport = {port}\n"), directory) as file:
            assert file.parent.exists()
            assert tmp_path not in file.parents
        assert not file.parent.exists()


def test_workers_divide_a_limit_among_themselves_while_their_file_cannot_be_used():
    assert limit_settings(config("[server]\nworkers = 4\n")).replicas == 4
