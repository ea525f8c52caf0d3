from __future__ import annotations

from collections import Counter
from random import Random

from tests.support.spine import make_endpoint
from tests.unit.balancing.policies.shares import A, C, asked, build, close_to, firsts


def test_b26_least_busy_counts_requests_for_each_weight():
    busy = {"a": 3, "b": 3, "c": 3}
    strong = make_endpoint("b", weight=4.0)
    policy = build("least_busy", in_flight=lambda endpoint: busy[endpoint.id])
    assert policy.order([A, strong, C], asked(), Random(1).random)[0].id == "b"
    load = Counter()
    balanced = build("least_busy", in_flight=lambda endpoint: load[endpoint.id])
    random = Random(2).random
    for _ in range(600):
        load[balanced.order([A, strong, C], asked(), random)[0].id] += 1
    assert (load["a"], load["b"], load["c"]) == (100, 400, 100)


def test_b26_least_busy_shares_by_weight_when_no_endpoint_is_busy():
    found = firsts(build("least_busy"), [A, make_endpoint("b", weight=3.0)], 2000)
    assert close_to(found["b"], 0.75, 2000)


def test_priority_comes_before_load():
    busy, idle = make_endpoint("busy", priority=2), make_endpoint("idle", priority=1)
    policy = build("least_busy", in_flight=lambda endpoint: 50 if endpoint is busy else 0)
    assert policy.order([idle, busy], asked(), Random(1).random) == [busy, idle]
