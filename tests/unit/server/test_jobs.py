"""What a batch's client may do is asked again for every line."""

from __future__ import annotations

import pytest

from octoroute.access.key_registry import KeyRegistry, KnownKey
from octoroute.domain.principal import AccessRole, Principal
from octoroute.errors import Forbidden, Unauthorized
from octoroute.server.jobs import ENDPOINTS, current_principal
from octoroute.store.batches import BatchJob, BatchProgress, StoredBatch

TEAM = Principal(name="team")


def registry(*keys: KnownKey, required: bool = True) -> KeyRegistry:
    return KeyRegistry(keys, required=required, wall=lambda: 100.0)


def key(principal=TEAM, owner="o", **more) -> KnownKey:
    return KnownKey(digest=b"d", principal=principal, owner=owner, **more)


def batch(principal=TEAM, owner="o", issuer="") -> StoredBatch:
    job = BatchJob(endpoint=ENDPOINTS[0], input_file="f", window="24h", expires_at=1.0, principal=principal, issuer=issuer)
    return StoredBatch(id="b", owner=owner, status="in_progress", created_at=0.0, job=job, progress=BatchProgress())


def test_the_principal_is_that_of_now():
    now = Principal(name="team", tags=("new",))
    assert current_principal(registry(key(now)), batch()) is now
    assert current_principal(registry(key(now), required=False), batch(owner="")) is now
    assert current_principal(registry(required=False), batch(principal=None, owner="")) is None


@pytest.mark.parametrize(
    ("keys", "asked", "error"),
    [
        (registry(), batch(), Unauthorized),
        (registry(key(owner="another")), batch(), Unauthorized),
        (registry(key(Principal(name="other"))), batch(), Unauthorized),
        (registry(key(expires_at=100.0)), batch(), Unauthorized),
        (registry(key()), batch(principal=None, owner=""), Unauthorized),
        (registry(key()), batch(issuer="no such issuer"), Unauthorized),
        (registry(key(Principal(name="team", role=AccessRole.VIEWER))), batch(), Forbidden),
    ],
)
def test_who_may_not_ask_any_more(keys, asked, error):
    with pytest.raises(error):
        current_principal(keys, asked)


def test_a_token_counts_as_long_as_its_issuer_does():
    keys = registry()
    keys.use_tokens({}, frozenset({"issuer"}), may_be_privileged=False)
    assert current_principal(keys, batch(issuer="issuer")) is TEAM
