"""The key store: what is in the file, and what add, rotate, and revoke do to it."""

from __future__ import annotations

import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor

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


def test_a_name_is_unique_among_active_keys(store):
    store.add(TEAM, 0.0)
    with pytest.raises(KeyStoreError, match="active key 'team'"):
        store.add(TEAM, 1.0)
    store.revoke("team", 2.0)
    assert [key.state(3.0) for key in (*store.all_keys(), store.add(TEAM, 3.0).stored)] == ["revoked", "active"]


def test_after_a_rotation_both_keys_are_valid_for_a_while_and_own_the_same(store):
    first = store.add(TEAM, 0.0)
    second = store.rotate("team", 10.0, overlap_s=5.0)
    assert second.text != first.text
    old, new = store.all_keys()
    assert (old.state(14.9), old.state(15.0), new.state(1e9)) == ("active", "expired", "active")
    assert old.owner == new.owner
    assert old.principal == new.principal


def test_a_rotation_does_not_prolong_a_key(store):
    store.add(TEAM, 0.0, expires_at=11.0)
    store.rotate("team", 10.0, overlap_s=5.0)
    assert store.all_keys()[0].expires_at == 11.0


def test_by_name_every_key_is_revoked_and_by_id_one(store):
    first = store.add(TEAM, 0.0)
    second = store.rotate("team", 1.0, overlap_s=100.0)
    assert [key.id for key in store.revoke(first.stored.id, 2.0)] == [first.stored.id]
    assert [key.state(3.0) for key in store.all_keys()] == ["revoked", "active"]
    assert [key.id for key in store.revoke("team", 3.0)] == [second.stored.id]


@pytest.mark.parametrize("name", ["nobody", "octo_x", "' OR 1=1 --", "team'; DROP TABLE api_key"])
def test_what_is_not_there_is_an_error_and_changes_nothing(store, name):
    store.add(TEAM, 0.0)
    with pytest.raises(KeyStoreError, match="no active key"):
        store.revoke(name, 1.0)
    with pytest.raises(KeyStoreError, match="no active key"):
        store.rotate(name, 1.0, 0.0)
    assert [key.state(2.0) for key in store.all_keys()] == ["active"]


def test_a_damaged_file_is_an_error_that_names_it(store):
    store.path.parent.mkdir()
    store.path.write_bytes(b"not a database" * 100)
    with pytest.raises(KeyStoreError, match=r"keys\.db cannot be used"):
        store.all_keys()


def test_two_programs_never_make_the_same_name(store):
    def add(_: int) -> bool:
        try:
            SqliteKeyStore(store.path).add(TEAM, 0.0)
        except KeyStoreError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(8))) == 1
    assert len(store.all_keys()) == 1
