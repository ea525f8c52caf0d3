"""Every key store keeps the contract of access.key_store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from octoroute.access.key_store import KeyStore, KeyStoreError, SqliteKeyStore
from octoroute.access.postgresql_keys import PostgresqlKeyStore
from octoroute.access.redis_keys import RedisKeyStore
from octoroute.domain.principal import AccessRole, Principal, PrincipalLimits, Restrictions
from tests.support import redis_server

TEAM = Principal(
    name="team",
    role=AccessRole.OPERATOR,
    groups=("g",),
    restrictions=Restrictions(tiers=frozenset({"fast"}), models=("m*",), regions=frozenset({"eu"})),
    limits=PrincipalLimits(requests_per_minute=3, budget_day_micros=1),
)


@pytest.fixture(scope="module")
def postgres():
    postgresql = pytest.importorskip("tests.support.postgresql")
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with postgresql.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def make(request, tmp_path) -> Iterator[Callable[[], KeyStore]]:
    """Makes one more connection to the same keys, of which there are none yet."""
    opened: list[KeyStore] = []
    server = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").url
        request.getfixturevalue("postgres").empty()
    if request.param == "redis":
        pytest.importorskip("redis")
        if redis_server.program() is None:
            pytest.skip("Redis is not installed (Debian: redis-server)")
        server = redis_server.RedisServer(tmp_path)
        server.start()
        url = server.url

    def made() -> KeyStore:
        match request.param:
            case "postgresql":
                store: KeyStore = PostgresqlKeyStore(url)
            case "redis":
                store = RedisKeyStore(url)
            case _:
                store = SqliteKeyStore(tmp_path / "keys.db")
        opened.append(store)
        return store

    yield made
    for store in opened:
        store.close()
    if server is not None:
        server.stop()


def test_a_key_comes_back_for_every_reader_with_all_it_may_do_and_another_version(make):
    writer, reader = make(), make()
    assert list(reader.all_keys()) == []
    before = reader.version()
    made = writer.add(TEAM, now=1.0, expires_at=9.0)
    assert reader.version() != before
    assert reader.all_keys() == [made.stored]
    seen = reader.version()
    assert reader.version() == seen
    writer.revoke("team", 2.0)
    assert reader.version() != seen
    assert (reader.has_active("team", 3.0), reader.has_active(made.stored.id, 3.0)) == (False, False)


def test_a_name_is_unique_among_active_keys(make):
    store = make()
    store.add(TEAM, 0.0)
    with pytest.raises(KeyStoreError, match="active key 'team'"):
        store.add(TEAM, 1.0)
    store.revoke("team", 2.0)
    assert [key.state(3.0) for key in (*store.all_keys(), store.add(TEAM, 3.0).stored)] == ["revoked", "active"]


def test_after_a_rotation_both_keys_are_valid_for_a_while_and_own_the_same(make):
    store = make()
    first = store.add(TEAM, 0.0)
    second = store.rotate("team", 10.0, overlap_s=5.0)
    assert second.text != first.text
    old, new = store.all_keys()
    assert (old.state(14.9), old.state(15.0), new.state(1e9)) == ("active", "expired", "active")
    assert old.owner == new.owner
    assert old.principal == new.principal


def test_a_rotation_does_not_prolong_a_key(make):
    store = make()
    store.add(TEAM, 0.0, expires_at=11.0)
    store.rotate("team", 10.0, overlap_s=5.0)
    assert store.all_keys()[0].expires_at == 11.0


def test_by_name_every_key_is_revoked_and_by_id_one(make):
    store = make()
    first = store.add(TEAM, 0.0)
    second = store.rotate("team", 1.0, overlap_s=100.0)
    assert [key.id for key in store.revoke(first.stored.id, 2.0)] == [first.stored.id]
    assert [key.state(3.0) for key in store.all_keys()] == ["revoked", "active"]
    assert [key.id for key in store.revoke("team", 3.0)] == [second.stored.id]


@pytest.mark.parametrize("name", ["nobody", "octo_x", "' OR 1=1 --", "team'; DROP TABLE api_key"])
def test_what_is_not_there_is_an_error_and_changes_nothing(make, name):
    store = make()
    store.add(TEAM, 0.0)
    with pytest.raises(KeyStoreError, match="no active key"):
        store.revoke(name, 1.0)
    with pytest.raises(KeyStoreError, match="no active key"):
        store.rotate(name, 1.0, 0.0)
    assert [key.state(2.0) for key in store.all_keys()] == ["active"]


def test_two_programs_never_make_the_same_name(make):
    stores = [make() for _ in range(8)]

    def add(store: KeyStore) -> bool:
        try:
            store.add(TEAM, 0.0)
        except KeyStoreError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, stores)) == 1
    assert len(stores[0].all_keys()) == 1
