"""Leases in Redis; tests/contract/test_leases.py holds what every backend does."""

import pytest

from octoroute.access.leases.base import LeaseBackendError, LeaseBatch

redis = pytest.importorskip("redis")


async def test_a_server_that_is_not_there_is_a_backend_that_is_down():
    from octoroute.access.leases.redis import RedisLeases, connect

    leases = RedisLeases(connect("redis://127.0.0.1:9/0"))
    with pytest.raises(LeaseBackendError, match="ConnectionError"):
        await leases.exchange(LeaseBatch(owner="o", sequence=1))
    await leases.close()


def test_every_key_has_the_same_hash_tag():
    from octoroute.access.leases.redis import PREFIX

    assert PREFIX.startswith("{")
    assert "}" in PREFIX
