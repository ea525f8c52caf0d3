"""The settings that decision records refer to."""

from __future__ import annotations

from octoroute.gateway.decision_record.snapshot import decode, encode, snapshot_of
from tests.unit.gateway.decision_record.records import TREE, runtime_of


def made(**tables):
    runtime = runtime_of({**TREE, **tables})
    return snapshot_of(runtime.gateway.settings, runtime.gateway.upstream.dialects)


def test_it_holds_no_secret_and_comes_back_whole():
    rules = [{"name": "vip", "headers": {"X-Team": "very-secret"}, "user": "mary", "tier": "deep"}]
    snapshot = made(routing={"strategy": "learned", "rules": rules})
    encoded = encode(snapshot)
    assert b"sk-secret" not in encoded
    assert b"very-secret" not in encoded
    assert b"mary" not in encoded
    assert decode(encoded) == snapshot
    assert encode(made(routing={"strategy": "learned", "rules": rules})) == encoded


def test_endpoints_that_fail_together_are_told_apart_from_others():
    endpoints = [endpoint.endpoint() for endpoint in made().endpoints]
    keys = {endpoint.base_url: endpoint.api_key for endpoint in endpoints}
    assert keys["http://a.test/v1"] != keys["http://b.test/v1"]
    assert len({endpoint.api_key for endpoint in endpoints}) == 2
