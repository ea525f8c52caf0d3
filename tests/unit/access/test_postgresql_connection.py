"""Connections to PostgreSQL; with a real server: tests/contract/test_leases.py and test_key_stores.py."""

from __future__ import annotations

import sys

import pytest

from octoroute.access.postgresql_connection import connector
from octoroute.errors import ConfigError

SETTINGS = {"statement_timeout_ms": 1000, "schema": "SELECT 1"}


def test_without_the_extra_the_setting_and_the_remedy_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"^store\.url: .*octoroute\[postgres\]"):
        connector("postgresql://h/d", setting="store.url", **SETTINGS)


def test_nothing_is_opened_before_it_is_needed_and_then_the_drivers_error_is_raised():
    psycopg = pytest.importorskip("psycopg")
    error, connect = connector("postgresql://user:secret@127.0.0.1:1/d", setting="store.url", **SETTINGS)
    assert error is psycopg.Error
    with pytest.raises(error) as raised:
        connect()
    assert "secret" not in str(raised.value)
