"""Whose stored responses those of a key are."""

from __future__ import annotations

from octoroute.access.credentials import digest_of
from octoroute.runtime.erasure import key_owners
from tests.support.live_gateway import configured, settings


def test_a_key_is_known_in_the_configuration_and_in_the_key_store():
    config = configured(
        settings(
            [{"name": "m", "base_url": "http://h/v1"}], auth={"keys": ["one", "two"], "clients": [{"name": "ann", "key": "three"}]}
        )
    )
    assert key_owners(config, "ann", {"key:1"}) == {"client:ann", "key:1"}
    assert key_owners(config, "key-2", ()) == {"client:key-2", digest_of("two").hex()}
    assert key_owners(config, "gone", ()) == {"client:gone"}
