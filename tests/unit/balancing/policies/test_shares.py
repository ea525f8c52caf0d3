"""What each policy promises, measured. Chance is seeded: a run that passes passes always."""

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.balancing.policies import POLICIES, PolicyInputs
from octoroute.balancing.policies.consistent_hash import score
from octoroute.balancing.policies.least_latency import DECAY_S
from octoroute.dialects import inbound
from octoroute.dialects.request.identity import opening_of, user_of
from octoroute.domain.endpoint import Price
from octoroute.domain.outcome import Attempt, Ending, Outcome, Usage
from tests.support.live_gateway import Clock
from tests.support.spine import make_endpoint

OPENAI = inbound(lambda: 0.0)["openai"]


def asked(text="hello", *, user=None, key=None, system=None, stream=False, later=(), max_tokens=None, request_id="r"):
    import json

    messages = [{"role": "system", "content": system}] if system else []
    messages += [{"role": "user", "content": text}, *later]
    body = {"model": "auto", "messages": messages, "stream": stream}
    if user:
        body["user"] = user
    if max_tokens:
        body["max_tokens"] = max_tokens
    return OPENAI.read(json.dumps(body).encode(), request_id=request_id, headers={}, key_name=key)


def build(name, clock=None, in_flight=None, sticky_by="conversation"):
    return POLICIES[name](PolicyInputs(clock or Clock(), in_flight or (lambda _: 0), user_of, opening_of, sticky_by))


A, B, C = (make_endpoint(name) for name in "abc")


def firsts(policy, endpoints, count, *, seed=1, took=True):
    random = Random(seed).random
    found = Counter()
    for _ in range(count):
        first = policy.order(endpoints, asked(), random)[0]
        if took:
            policy.on_selected(first)
        found[first.id] += 1
    return found


def close_to(count, share, of):
    """Within four standard deviations of the binomial."""
    return abs(count - share * of) <= 4 * math.sqrt(of * share * (1 - share)) + 1e-9


@given(weights=st.lists(st.sampled_from([0.5, 1.0, 2.0, 5.0]), min_size=2, max_size=4), seed=st.integers(0, 2**32))
def test_b26_weighted_shares_follow_weights(weights, seed):
    endpoints = [make_endpoint(f"e{at}", weight=weight) for at, weight in enumerate(weights)]
    found = firsts(build("weighted"), endpoints, 1500, seed=seed % 50)
    for endpoint in endpoints:
        assert close_to(found[endpoint.id], endpoint.weight / sum(weights), 1500)


def test_b26_random_does_not_look_at_weights():
    heavy = make_endpoint("h", weight=9.0)
    found = firsts(build("random"), [heavy, A, B], 3000)
    assert all(close_to(found[name], 1 / 3, 3000) for name in ("h", "a", "b"))


def test_b26_round_robin_is_a_rotation_and_not_chance():
    policy, random = build("round_robin"), Random(1).random
    seen = []
    for _ in range(6):
        order = policy.order([A, B, C], asked(), random)
        policy.on_selected(order[0])
        seen.append("".join(endpoint.id for endpoint in order))
    assert seen == ["abc", "bca", "cab"] * 2


def test_x5_round_robin_with_one_out_is_still_even():
    policy = build("round_robin")
    assert firsts(policy, [A, C], 6) == {"a": 3, "c": 3}
    assert firsts(policy, [A, B, C], 3) == {"a": 1, "b": 1, "c": 1}


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


def test_b26_least_busy_shares_by_weight_when_nobody_is():
    found = firsts(build("least_busy"), [A, make_endpoint("b", weight=3.0)], 2000)
    assert close_to(found["b"], 0.75, 2000)


def test_b10_cheapest_capable_first_and_no_price_last():
    dear = make_endpoint("dear", price=Price(input=10.0, output=30.0))
    cheap = make_endpoint("cheap", price=Price(input=0.1, output=0.2))
    order = build("cheapest").order([A, dear, cheap], asked(), Random(1).random)
    assert [endpoint.id for endpoint in order] == ["cheap", "dear", "a"]


def test_b26_cheapest_depends_on_what_is_asked():
    talker = make_endpoint("talker", price=Price(input=5.0, output=1.0))
    reader = make_endpoint("reader", price=Price(input=0.5, output=9.0))
    policy, random = build("cheapest"), Random(1).random
    assert policy.order([talker, reader], asked("x" * 80_000, max_tokens=10), random)[0].id == "reader"
    assert policy.order([talker, reader], asked("x", max_tokens=4000), random)[0].id == "talker"


def test_b26_equal_prices_share_by_weight():
    price = Price(input=1.0, output=1.0)
    pair = [make_endpoint("a", price=price), make_endpoint("b", price=price, weight=3.0)]
    assert close_to(firsts(build("cheapest"), pair, 2000)["b"], 0.75, 2000)


# sticky


def placed(policy, endpoints, count=2000, **more):
    return {at: policy.order(endpoints, asked(f"conversation {at}", **more), Random(at).random)[0].id for at in range(count)}


def test_b26_sticky_moves_only_those_of_the_endpoint_that_leaves():
    policy, four = build("sticky"), [make_endpoint(f"e{at}") for at in range(4)]
    before = placed(policy, four)
    after = placed(policy, [endpoint for endpoint in four if endpoint.id != "e2"])
    moved = {at for at in before if before[at] != after[at]}
    assert moved == {at for at in before if before[at] == "e2"}
    assert close_to(len(moved), 1 / 4, 2000)
    assert {after[at] for at in moved} == {"e0", "e1", "e3"}


def test_b26_sticky_shares_follow_weights():
    endpoints = [make_endpoint("a"), make_endpoint("b", weight=3.0)]
    assert close_to(Counter(placed(build("sticky"), endpoints).values())["b"], 0.75, 2000)


def test_b26_sticky_follows_a_conversation_through_its_turns():
    policy = build("sticky")
    endpoints = [make_endpoint(f"e{at}") for at in range(8)]
    later = [{"role": "assistant", "content": "well"}, {"role": "user", "content": "and then?"}]
    for at in range(50):
        one = policy.order(endpoints, asked(f"c{at}", system="be kind"), Random(1).random)
        two = policy.order(endpoints, asked(f"c{at}", system="be kind", later=later), Random(2).random)
        assert one == two
        cut = [{"type": "text", "text": f"c{at}", "cache_control": {"type": "ephemeral"}}]
        assert policy.order(endpoints, asked(cut, system="be kind"), Random(3).random) == one


def test_b12_the_same_user_sticks_whatever_is_said():
    policy = build("sticky", sticky_by="user")
    endpoints = [make_endpoint(f"e{at}") for at in range(8)]
    for at in range(50):
        assert len({policy.order(endpoints, asked(f"{n}", user=f"u{at}"), Random(n).random)[0].id for n in range(5)}) == 1
    assert len({policy.order(endpoints, asked("x", user=f"u{at}"), Random(1).random)[0].id for at in range(100)}) == 8


def test_b26_sticky_by_key_and_without_one_by_conversation():
    policy = build("sticky", sticky_by="key")
    endpoints = [make_endpoint(f"e{at}") for at in range(8)]
    assert len({policy.order(endpoints, asked(f"{n}", key="key-1"), Random(n).random)[0].id for n in range(20)}) == 1
    assert len({policy.order(endpoints, asked(f"{n}"), Random(n).random)[0].id for n in range(100)}) == 8


def test_b26_scores_are_the_same_in_every_process():
    assert score(b"name", A) == pytest.approx(0.85615, abs=5e-5)


# fastest


class Race:
    """Requests one after the other, each taking its endpoint's pace."""

    def __init__(self, paces, seed=1, every_s=1.0, stream=False):
        self.clock = Clock()
        self.policy = build("fastest", clock=self.clock)
        self.paces = paces
        self.every_s = every_s
        self.stream = stream
        self.random = Random(seed).random
        self.endpoints = [make_endpoint(name) for name in paces]

    def go(self, count):
        """Whom each went to."""
        found = []
        for _ in range(count):
            first = self.policy.order(self.endpoints, asked(stream=self.stream), self.random)[0]
            self.policy.on_selected(first)
            took_s = self.paces[first.id]
            self.clock.pass_(self.every_s)
            self.policy.on_outcome(
                Outcome(
                    request_id="r",
                    dialect="openai",
                    asked_for="auto",
                    stream=self.stream,
                    ending=Ending.ANSWERED,
                    status=200,
                    attempts=(Attempt(endpoint=first, took_s=took_s),),
                    endpoint=first,
                    usage=Usage(input_tokens=1, output_tokens=101),
                    first_event_s=took_s,
                    total_s=took_s + 1.0,
                )
            )
            found.append(first.id)
        return found


@pytest.mark.parametrize("seed", range(10))
def test_b26_fastest_prefers_the_faster_and_explores_a_little(seed):
    race = Race({"a": 1.0, "b": 0.3, "c": 0.9}, seed, every_s=0.01)  # nothing known gets old meanwhile
    race.go(30)
    found = Counter(race.go(1000))
    assert 0.92 <= found["b"] / 1000 <= 0.98
    assert found["a"] >= 8
    assert found["c"] >= 8


def test_b26_fastest_looks_at_what_it_has_not_seen_for_long():
    race = Race({"a": 1.0, "b": 0.3, "c": 0.9}, every_s=1.0)
    race.go(30)
    found = Counter(race.go(1000))
    assert 0.87 <= found["b"] / 1000 <= 0.96


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("every_s", [0.05, 1.0, 5.0])
def test_b11_fastest_abandons_one_that_slows_down_within_20_requests_and_returns_within_the_decay(seed, every_s):
    race = Race({"a": 0.1, "b": 0.2}, seed, every_s)
    race.go(200)
    assert Counter(race.go(50))["a"] >= 36
    race.paces["a"] = 1.0
    race.go(20)
    assert Counter(race.go(20))["b"] >= 15, "it is abandoned"
    race.go(200)
    race.paces["a"] = 0.1
    race.go(math.ceil(DECAY_S / every_s) + 6)
    back = Counter(race.go(50))
    assert back["a"] >= 35, "it is back"


def test_b26_fastest_weighs_a_quick_start_against_a_quick_pen():
    clock = Clock()
    policy = build("fastest", clock=clock)
    for endpoint, first_s, rate in ((A, 0.1, 10.0), (B, 0.6, 100.0)):
        for _ in range(5):
            clock.pass_(0.1)
            policy.on_outcome(
                Outcome(
                    request_id="r", dialect="openai", asked_for="auto", stream=True, ending=Ending.ANSWERED, status=200,
                    attempts=(Attempt(endpoint=endpoint, took_s=first_s),), endpoint=endpoint,
                    usage=Usage(output_tokens=201), first_event_s=first_s, total_s=first_s + 200 / rate,
                )
            )  # fmt: skip
    assert Counter(policy.order([A, B], asked(stream=True), Random(at).random)[0].id for at in range(100))["b"] > 85


def test_b26_fastest_sends_no_herd_to_an_endpoint_it_does_not_know():
    race = Race({"a": 0.1, "b": 0.2})
    race.go(30)
    unknown = [*race.endpoints, make_endpoint("new")]
    seen = []
    for _ in range(20):  # all at once: nobody has answered yet
        first = race.policy.order(unknown, asked(), lambda: 0.5)[0]
        race.policy.on_selected(first)
        seen.append(first.id)
    assert seen[0] == "new"
    assert seen.count("new") == 1


def test_b26_fastest_takes_a_timeout_for_slow_and_a_refusal_for_nothing():
    clock = Clock()
    policy = build("fastest", clock=clock)
    for endpoint, error, took_s in ((A, "upstream_timeout", 30.0), (B, None, 0.5), (C, "upstream_failed", 0.001)):
        for _ in range(4):
            clock.pass_(1)
            policy.on_outcome(
                Outcome(
                    request_id="r", dialect="openai", asked_for="auto", stream=False, ending=Ending.FAILED, status=200,
                    attempts=(Attempt(endpoint=endpoint, took_s=took_s, error=error),),
                )
            )  # fmt: skip
    order = policy.order([A, B, C], asked(), lambda: 0.5)
    assert [endpoint.id for endpoint in order] == ["c", "b", "a"], "c is unknown still, and tried first"
