"""Recording: no client and no clock can make the metrics grow without bound or crash."""

from __future__ import annotations

import math
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.domain.outcome import Attempt, Ending, Usage
from octoroute.domain.price import Price
from octoroute.telemetry.exposition import Exposition
from octoroute.telemetry.metrics import MAX_PENDING_GROUPS, Metrics
from tests.support.live_gateway import samples
from tests.support.outcomes import ENDPOINTS, OUTCOMES, outcome
from tests.support.parts import endpoint


def made() -> Metrics:
    return Metrics(lambda decision: "because")


def read(metrics: Metrics):
    return samples(Exposition(metrics, list).text().decode())


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
    failed = Attempt(endpoint=ENDPOINTS[0], took_s=0.1, error="upstream_failed")
    usage = Usage(input_tokens=1_000_000, output_tokens=500_000, cached_tokens=10, reasoning_tokens=5)
    metrics.record(
        outcome(
            attempts=(failed, Attempt(endpoint=ENDPOINTS[1], took_s=1)),
            endpoint=ENDPOINTS[1],
            usage=usage,
            cost_micros=usage.cost_micros(ENDPOINTS[1].price),
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
        one = chance.choice(ENDPOINTS)
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


def test_who_reads_while_another_thread_adds_up_waits_for_it():
    inside, go_on = threading.Event(), threading.Event()

    def folded(rollup):
        inside.set()
        assert go_on.wait(10)

    metrics = Metrics(lambda decision: "because", on_flush=folded)
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
    assert len(metrics._pending) <= MAX_PENDING_GROUPS
    assert metrics.total("octoroute_requests_total") == 3 * MAX_PENDING_GROUPS


def test_a_price_that_changes_between_two_looks_counts_from_then_on():
    metrics, usage = made(), Usage(input_tokens=1_000_000)
    for price in (1.0, 3.0):
        priced = endpoint("a", price=Price(input=price))
        metrics.record(outcome(endpoint=priced, attempts=(Attempt(endpoint=priced, took_s=0.1),), usage=usage))
    assert metrics.total("octoroute_cost_usd_total") == pytest.approx(4.0)
