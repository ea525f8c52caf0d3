"""Keys of the store in a running gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from octoroute.access.key_registry import KeyRegistry
from octoroute.access.key_store import KeyStoreError, SqliteKeyStore
from octoroute.config import loads
from octoroute.domain.principal import Principal
from octoroute.errors import StorageUnavailable, Unauthorized
from octoroute.runtime.stored_keys import StoredKeys, key_stores


@pytest.fixture
def store(tmp_path):
    return SqliteKeyStore(tmp_path / "keys.db")


def running(store, now=0.0):
    registry = KeyRegistry((), required=False, wall=lambda: now)
    return registry, StoredKeys([store], lambda: registry)


async def test_without_a_file_the_gateway_is_as_before(store):
    registry, keys = running(store)
    await keys.refresh()
    assert registry.check({}) is None


async def test_a_new_key_a_rotation_and_a_revocation_are_seen(store):
    registry, keys = running(store)
    first = store.add(Principal(name="team"), 0.0)
    await keys.refresh()
    assert registry.check({"x-api-key": first.text}) == Principal(name="team")
    with pytest.raises(Unauthorized):
        registry.check({})
    second = store.rotate("team", 0.0, 60.0)
    await keys.refresh()
    assert registry.owner({"x-api-key": first.text}) == registry.owner({"x-api-key": second.text}) != ""
    store.revoke("team", 1.0)
    await keys.refresh()
    for made in (first, second):
        with pytest.raises(Unauthorized):
            registry.check({"x-api-key": made.text})


async def test_the_last_revocation_and_a_lost_file_open_nothing(store):
    registry, keys = running(store)
    made = store.add(Principal(name="team"), 0.0)
    await keys.refresh()
    store.revoke("team", 1.0)
    await keys.refresh()
    store.path.unlink()
    await keys.refresh()
    for headers in ({}, {"x-api-key": made.text}):
        with pytest.raises(Unauthorized):
            registry.check(headers)


async def test_a_store_that_cannot_be_read_keeps_its_keys_and_opens_nothing(store):
    registry, keys = running(store)
    made = store.add(Principal(name="team"), 0.0)
    await keys.refresh()
    good = store.path.read_bytes()
    store.path.write_bytes(b"damaged" * 1000)
    await keys.refresh()
    assert registry.check({"x-api-key": made.text}) == Principal(name="team")
    store.path.write_bytes(good)
    store.revoke("team", 1.0)
    await keys.refresh()
    with pytest.raises(Unauthorized):
        registry.check({"x-api-key": made.text})


async def test_a_store_that_never_could_be_read_closes_the_gateway(store):
    store.path.write_bytes(b"damaged" * 1000)
    registry, keys = running(store)
    await keys.refresh()
    with pytest.raises(StorageUnavailable):
        registry.check({})


class AwayStore(SqliteKeyStore):
    def version(self):
        raise KeyStoreError("away")


async def test_keys_of_every_store_are_valid_and_one_that_is_away_stops_none(store, tmp_path):
    registry = KeyRegistry((), required=False, wall=lambda: 0.0)
    shared = SqliteKeyStore(tmp_path / "shared.db")
    keys = StoredKeys([AwayStore(tmp_path / "away.db"), shared, store], lambda: registry)
    made = [one.add(Principal(name=name), 0.0) for one, name in ((shared, "a"), (store, "b"))]
    await keys.refresh()
    assert [registry.check({"x-api-key": key.text}).name for key in made] == ["a", "b"]


@pytest.mark.parametrize(
    ("tables", "names"),
    [
        ("", ["keys.db"]),
        ('[shared]\nurl = "redis://127.0.0.1:1/0"\n', ["redis", "keys.db"]),
        ('[shared]\nurl = "sqlite:///l.db"\n', ["keys.db"]),
        ('[shared]\nurl = "redis://127.0.0.1:1/0"\n[store]\nurl = "postgresql://u@127.0.0.1:1/d"\n', ["postgresql", "keys.db"]),
    ],
)
def test_the_store_that_replicas_share_comes_first(tables, names):
    config = loads('[[models.fast]]\nname = "m"\nbase_url = "http://127.0.0.1:1/v1"\n' + tables, Path("test.toml"), {})
    assert [store.name for store in key_stores(config, Path("keys.db"))] == names
