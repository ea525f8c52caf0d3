"""One table of names; nothing in it can be made to grow or to crash by a client or a clock."""

from __future__ import annotations

import asyncio
import math
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.balancing.health import HealthRegistry
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, Price, Tier
from octoroute.domain.outcome import Attempt, Ending, Outcome, Usage
from octoroute.runtime.gauges import gauge_samples
from octoroute.telemetry.access_log import static_fields
from octoroute.telemetry.metrics import GAUGES, MAX_PENDING_GROUPS, TABLE, Metrics, Scraper
from octoroute.telemetry.rollup import rollup_key
from tests.support.live_gateway import samples
from tests.support.parts import endpoint

ONES = (endpoint("a"), endpoint("b", tier=Tier.DEEP, price=Price(input=1, output=2)))


def made() -> Metrics:
    health = HealthRegistry(failure_threshold=1, recovery_s=1, clock=lambda: 0.0, wall=lambda: 0.0)
    return Metrics(lambda: gauge_samples(health, ONES, 0), lambda decision: "because")


def read(metrics: Metrics):
    return samples(metrics.exposition().decode())


def outcome(**more) -> Outcome:
    basis = {
        "request_id": "r",
        "dialect": "openai",
        "asked_for": "auto",
        "stream": False,
        "ending": Ending.ANSWERED,
        "status": 200,
        "decision": Decision(tier=Tier.FAST, by="rule", why="x"),
        "attempts": (Attempt(endpoint=ONES[0], took_s=0.1),),
        "endpoint": ONES[0],
        "first_event_s": 0.1,
        "total_s": 0.2,
    }
    return Outcome(**{**basis, **more})


ATTEMPTS = st.builds(
    Attempt,
    endpoint=st.sampled_from(ONES),
    took_s=st.floats(0, 10),
    error=st.sampled_from([None, "upstream_failed"]),
    rejected=st.sampled_from([None, "score"]),
    usage=st.sampled_from([None, Usage(input_tokens=3, output_tokens=4)]),
)
OUTCOMES = st.builds(
    outcome,
    attempts=st.lists(ATTEMPTS, max_size=3).map(tuple),
    endpoint=st.sampled_from([*ONES, None]),
    ending=st.sampled_from(Ending),
    stream=st.booleans(),
    decision=st.sampled_from([None, *(Decision(tier=tier, by=by, why="x") for tier in CHAT_TIERS for by in ("rule", "client"))]),
    routing_s=st.floats(0, 1),
    first_event_s=st.none() | st.floats(0, 400),
    total_s=st.floats(0, 400),
    usage=st.none() | st.builds(Usage, input_tokens=st.integers(0, 99), cached_tokens=st.integers(0, 99), estimated=st.booleans()),
    error=st.sampled_from([None, "upstream_failed"]),
    queued_s=st.none() | st.floats(0, 9),
    cache=st.sampled_from([None, "hit", "miss"]),
    cascade=st.sampled_from([None, "kept", "escalated"]),
    prompt_estimate=st.integers(0, 99),
)


def test_names_and_labels_are_well_formed_and_described():
    names = [row.name for row in (*TABLE, *GAUGES)]
    assert len(names) == len(set(names))
    for row in (*TABLE, *GAUGES):
        assert row.name.startswith("octoroute_")
        assert not row.help[0].islower()
        assert row.help.endswith(".")
    text = made().exposition().decode()
    for row in TABLE:
        assert f"# TYPE {row.name.removesuffix('_total') if row.buckets else row.name} " in text


def test_two_apps_fit_in_one_process():
    one, two = made(), made()
    one.record(outcome())
    assert one.total("octoroute_requests_total") == 1
    assert two.total("octoroute_requests_total") == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.001])
def test_what_is_no_measurement_is_refused(value):
    """v1's extras: histogram NaN, Inf, and negatives."""
    with pytest.raises(ValueError, match="not a measurement"):
        made().observe("octoroute_first_event_seconds", value, "fast")


@pytest.mark.parametrize("value", [0.0, 5e-324, 1e300])
def test_extreme_measurements_are_measurements(value):
    metrics = made()
    metrics.observe("octoroute_first_event_seconds", value, "fast")
    assert read(metrics)["octoroute_first_event_seconds_count", frozenset({("tier", "fast")})] == 1


def test_a_request_counts_once_everywhere():
    metrics = made()
    failed = Attempt(endpoint=ONES[0], took_s=0.1, error="upstream_failed")
    usage = Usage(input_tokens=1_000_000, output_tokens=500_000, cached_tokens=10, reasoning_tokens=5)
    metrics.record(
        outcome(
            attempts=(failed, Attempt(endpoint=ONES[1], took_s=1)),
            endpoint=ONES[1],
            usage=usage,
            cost_usd=usage.cost(ONES[1].price),
        )
    )
    found = {(name, *sorted(value for _, value in labels)): number for (name, labels), number in read(metrics).items()}
    assert found["octoroute_requests_total", "fast", "rule"] == 1
    assert found["octoroute_attempts_total", "a", "upstream_failed"] == 1
    assert found["octoroute_attempts_total", "", "b"] == 1
    assert found["octoroute_retries_total", "b"] == 1
    assert found["octoroute_fallbacks_total", "deep"] == 1
    assert found["octoroute_outcomes_total", "answered", "b"] == 1
    assert found["octoroute_model_invocations_total", "deep"] == 1
    assert found["octoroute_tokens_total", "b", "input"] == 1_000_000
    assert found["octoroute_tokens_total", "b", "output"] == 500_000
    assert found["octoroute_cost_usd_total", "b"] == pytest.approx(2.0)
    assert found["octoroute_routing_decisions_total", "because", "fast", "rule"] == 1


def test_a_thousand_random_records_make_a_bounded_number_of_series():
    """v1 §10.30."""
    metrics, chance = made(), random.Random(1)
    for _ in range(1000):
        one = chance.choice(ONES)
        metrics.record(
            outcome(
                request_id=str(chance.random()),
                ending=chance.choice(list(Ending)),
                decision=Decision(tier=chance.choice(CHAT_TIERS), by=chance.choice(["rule", "llm"]), why=str(chance.random())),
                endpoint=one,
                attempts=(Attempt(endpoint=one, took_s=0.1),),
                error=chance.choice([None, "upstream_failed"]),
            )
        )
    series = [name for name, _ in read(metrics) if name == "octoroute_requests_total"]
    assert len(series) == 6
    assert metrics.total("octoroute_requests_total") == 1000


def test_many_threads_lose_no_count():
    """v1's extras: a metric stress of 1000 tasks."""
    metrics = made()

    def work():
        for _ in range(250):
            metrics.record(outcome())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.total("octoroute_requests_total") == 1000


NONSENSE = [
    {"total_s": math.nan},
    {"total_s": -0.001},
    {"first_event_s": math.inf},
    {"routing_s": -1.0},
    {"usage": Usage(input_tokens=-1)},
    {"usage": Usage(output_tokens=10**400)},
]


@pytest.mark.parametrize("numbers", NONSENSE)
def test_of_a_request_that_makes_no_sense_nothing_is_counted(numbers):
    metrics = made()
    with pytest.raises(ValueError, match="no measurements"):
        metrics.record(outcome(**numbers))
    assert not any(read(metrics).values())
    metrics.record(outcome())
    assert metrics.total("octoroute_requests_total") == 1


@settings(max_examples=50)
@given(st.lists(OUTCOMES, max_size=8))
def test_whenever_it_is_read_it_says_the_same(outcomes):
    often, once = made(), made()
    for one in outcomes:
        often.record(one)
        often.flush()
        once.record(one)
    assert read(once) == pytest.approx(read(often))


LABELS = {
    "ending": {"ending": Ending.BROKEN},
    "status": {"status": 499},
    "asked_for": {"asked_for": "fast"},
    "stream": {"stream": True},
    "tier": {"decision": Decision(tier=Tier.DEEP, by="rule", why="x")},
    "strategy": {"decision": Decision(tier=Tier.FAST, by="llm", why="x")},
    "why": {"decision": Decision(tier=Tier.FAST, by="rule", why="y")},
    "rule": {"decision": Decision(tier=Tier.FAST, by="rule", why="x", rule="r")},
    "provider": {"endpoint": endpoint("a", provider="other")},
    "endpoint": {"endpoint": ONES[1]},
    "model": {"endpoint": endpoint("a", model="other")},
    "error": {"error": "upstream_failed"},
    "key": {"key_name": "key-1"},
}


@pytest.mark.parametrize("label", LABELS)
def test_requests_that_differ_in_what_their_lines_have_in_common_do_not_count_alike(label):
    one, other = outcome(), outcome(**LABELS[label])
    assert static_fields(one).get(label) != static_fields(other).get(label)
    assert rollup_key(one, one.endpoint) != rollup_key(other, other.endpoint)


@given(OUTCOMES)
def test_whatever_lines_have_in_common_is_among_these(one):
    assert static_fields(one).keys() <= LABELS.keys()


@given(OUTCOMES, OUTCOMES)
def test_requests_that_count_alike_have_the_same_labels_and_are_of_the_same_tier(one, other):
    asked, asked_too = (it.endpoint or (it.attempts[-1].endpoint if it.attempts else None) for it in (one, other))
    if rollup_key(one, asked) == rollup_key(other, asked_too):
        assert static_fields(one) == static_fields(other)
        assert one.endpoint is other.endpoint


def test_who_reads_while_another_thread_adds_up_waits_for_it():
    metrics, inside, go_on = made(), threading.Event(), threading.Event()

    def folded(alike):
        inside.set()
        assert go_on.wait(10)

    metrics.on_flush = folded
    metrics.record(outcome())
    scrape, read_too = threading.Thread(target=metrics.flush), threading.Thread(target=metrics.flush)
    scrape.start()
    assert inside.wait(10)
    read_too.start()
    read_too.join(0.1)
    assert read_too.is_alive()
    go_on.set()
    read_too.join(10)
    scrape.join(10)
    assert not read_too.is_alive()


def test_kinds_of_requests_without_end_do_not_pile_up():
    metrics = made()
    for number in range(3 * MAX_PENDING_GROUPS):
        metrics.record(outcome(decision=Decision(tier=Tier.FAST, by="rule", why=str(number))))
    assert len(metrics._waiting) <= MAX_PENDING_GROUPS
    assert metrics.total("octoroute_requests_total") == 3 * MAX_PENDING_GROUPS


def test_a_price_that_changes_between_two_looks_counts_from_then_on():
    metrics, usage = made(), Usage(input_tokens=1_000_000)
    for price in (1.0, 3.0):
        asked = endpoint("a", price=Price(input=price))
        metrics.record(outcome(endpoint=asked, attempts=(Attempt(endpoint=asked, took_s=0.1),), usage=usage))
    assert metrics.total("octoroute_cost_usd_total") == pytest.approx(4.0)


async def test_however_many_scrape_it_is_made_once_a_second():
    now, made_times = [0.0], 0

    class Slow:
        def exposition(self) -> bytes:
            nonlocal made_times
            made_times += 1
            return b"%d" % made_times

        shared = False

    scraper = Scraper(Slow(), lambda: now[0])
    assert await asyncio.gather(*[scraper.text() for _ in range(20)]) == [b"1"] * 20
    now[0] = 0.9
    assert await scraper.text() == b"1"
    now[0] = 1.0
    assert await scraper.text() == b"2"
