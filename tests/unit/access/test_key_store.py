"""The key store as a file. What add, rotate, and revoke do in every store is in tests/contract/test_key_stores.py."""

from __future__ import annotations

import os
import re
import stat

import pytest

from octoroute.access.credentials import digest_of
from octoroute.access.key_store import KeyStoreError, SqliteKeyStore
from octoroute.domain.principal import AccessRole, Principal, PrincipalLimits, Restrictions

TEAM = Principal(
    name="team",
    role=AccessRole.OPERATOR,
    groups=("g",),
    restrictions=Restrictions(tiers=frozenset({"fast"}), models=("m*",), regions=frozenset({"eu"})),
    limits=PrincipalLimits(requests_per_minute=3, budget_day_micros=1),
)


@pytest.fixture
def store(tmp_path):
    return SqliteKeyStore(tmp_path / "state" / "keys.db")


def test_a_store_without_a_file_has_no_keys_and_makes_none(store):
    assert store.all_keys() == ()
    assert not store.path.exists()


def test_a_key_comes_back_with_all_it_may_do_and_without_its_text(store):
    made = store.add(TEAM, now=1.0, expires_at=9.0)
    assert re.fullmatch(r"octo_[a-z2-9]{8}_[A-Za-z0-9_-]{43}", made.text)
    assert made.text.startswith(made.stored.id)
    assert store.all_keys() == [made.stored]
    assert (made.stored.principal, made.stored.digest) == (TEAM, digest_of(made.text))
    secret = made.text.rpartition(made.stored.id)[2][1:].encode()
    assert all(secret not in file.read_bytes() for file in store.path.parent.iterdir())


def test_the_file_is_for_its_owner_only(store):
    os.umask(old := os.umask(0))
    store.add(TEAM, 0.0)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert old is not None


def test_a_damaged_file_is_an_error_that_names_it(store):
    store.path.parent.mkdir()
    store.path.write_bytes(b"not a database" * 100)
    with pytest.raises(KeyStoreError, match=r"keys\.db cannot be used"):
        store.all_keys()
