"""Fallback order (A7-A10), what a breaker counts (A11-A13), and what the seeds got wrong (X rows), on the spine itself."""

import asyncio
from collections import Counter

import pytest
import structlog

from octoroute.domain.endpoint import CircuitState
from tests.support.spine import Spine, make_endpoint, providers
from tests.support.virtual import now, run, settle

TWO_BY_TWO = {"p1": ["a1", "a2"], "p2": ["b1", "b2"]}
THREE = {"p1": ["a"], "p2": ["b"], "p3": ["c"]}
WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def flat(layout, **more):
    """All of one priority."""
    return [make_endpoint(e.id, provider=e.provider, base_url=e.base_url, position=e.position, **more) for e in providers(layout)]


@WAYS
def test_a7_models_in_list_order_then_the_next_provider_each_once(stream):
    async def story():
        spine = Spine(providers(TWO_BY_TWO), lambda *_: "429", order="priority")
        told = await spine.ask(stream=stream)
        assert told.asked == ["a1", "a2", "b1", "b2"]
        assert (told.status, told.code, told.error.retry_after_s) == (429, "upstream_rate_limited", 7)
        assert [model for _, model, _ in spine.transport.asked] == ["a1", "a2", "b1", "b2"]

    run(story())


@WAYS
@pytest.mark.parametrize("fault", ["401", "unreachable"])
def test_a7_what_is_wrong_with_a_whole_provider_skips_the_rest_of_it(fault, stream):
    async def story():
        spine = Spine(providers(TWO_BY_TWO), lambda model, _: fault if model == "a1" else "ok", order="priority")
        told = await spine.ask(stream=stream)
        assert (told.asked, told.status, told.complete) == (["a1", "b1"], 200, True)

    run(story())


def test_a7_an_open_breaker_of_the_provider_skips_its_other_models_too():
    async def story():
        spine = Spine(providers(TWO_BY_TWO), lambda model, _: "401" if model == "a1" else "ok", order="priority")
        assert (await spine.ask()).asked == ["a1", "b1"]
        told = await spine.ask()
        assert told.asked == ["b1"]

    run(story())


def test_a7_one_broken_model_does_not_take_its_provider_with_it():
    async def story():
        spine = Spine(providers(TWO_BY_TWO), {"a1": "500"}, order="priority", failure_threshold=2)
        assert [(await spine.ask()).asked for _ in range(3)] == [["a1", "a2"], ["a1", "a2"], ["a2"]]

    run(story())


@WAYS
def test_x6_models_do_not_rotate_without_a_failure(stream):
    async def story():
        spine = Spine(providers(TWO_BY_TWO), order="priority")
        assert [(await spine.ask(stream=stream)).asked for _ in range(4)] == [["a1"]] * 4

    run(story())


def test_x6_every_model_is_tried_and_not_just_one_more():
    async def story():
        spine = Spine(providers({"p1": ["a", "b", "c", "d"], "p2": ["z"]}), dict.fromkeys("abc", "500"), order="priority")
        assert (await spine.ask()).asked == ["a", "b", "c", "d"]

    run(story())


@WAYS
def test_x9_x16_x17_a_failed_call_goes_elsewhere_streams_too_until_the_first_event(stream):
    async def story():
        for fault in ("429", "500", "hang", "reset_before", "401", "garbage", "unreachable"):
            spine = Spine(providers(THREE), {"a": fault, "b": fault}, order="priority")
            told = await spine.ask(stream=stream)
            assert (told.asked, told.status, told.complete) == (["a", "b", "c"], 200, True), fault

    run(story())


def test_x9_after_the_first_event_the_failure_is_told_and_counted():
    async def story():
        spine = Spine(providers(THREE), {"a": "reset_after"}, order="priority")
        told = await spine.ask(stream=True)
        assert (told.asked, told.broken, told.complete) == (["a"], True, False)
        assert spine.health.breaker(spine.gateway.settings.endpoints[0]).failures == 1

    run(story())


def test_a8_equal_priority_is_file_order_and_deterministic():
    async def story():
        spine = Spine(flat(THREE), {"a": "500", "b": "500"}, order="priority")
        assert [(await spine.ask()).asked for _ in range(2)] == [["a", "b", "c"]] * 2

    run(story())


def test_a8_higher_priority_first_whatever_the_file_order():
    async def story():
        endpoints = [make_endpoint("low", priority=1, provider="p1"), make_endpoint("high", priority=9, provider="p2")]
        spine = Spine(endpoints, {"high": "500"}, order="priority")
        assert (await spine.ask()).asked == ["high", "low"]

    run(story())


def test_a8_equals_with_weights_are_drawn_by_them():
    async def story():
        endpoints = [make_endpoint("a", provider="p1"), make_endpoint("b", provider="p2", weight=3.0)]
        spine = Spine(endpoints, order="priority")
        found = Counter([(await spine.ask()).asked[0] for _ in range(400)])
        assert 260 <= found["b"] <= 340

    run(story())


@WAYS
def test_a9_round_robin_is_two_two_two_in_order(stream):
    async def story():
        spine = Spine(flat(THREE), order="round_robin")
        assert [(await spine.ask(stream=stream)).asked for _ in range(6)] == [["a"], ["b"], ["c"]] * 2

    run(story())


def test_a9_with_one_open_circuit_it_is_three_three_and_nobody_is_skipped_afterwards():
    async def story():
        down = {"b": "401"}
        spine = Spine(flat(THREE), lambda model, _: down.get(model, "ok"), order="round_robin", recovery_s=60)
        assert [(await spine.ask()).asked for _ in range(2)] == [["a"], ["b", "c"]]
        later = [(await spine.ask()).asked[0] for _ in range(6)]
        assert Counter(later) == {"a": 3, "c": 3}
        down.clear()
        await asyncio.sleep(60)
        assert "b" in [(await spine.ask()).asked[0] for _ in range(3)]
        assert Counter([(await spine.ask()).asked[0] for _ in range(9)]) == {"a": 3, "b": 3, "c": 3}

    run(story())


def test_a9_a_provider_that_is_removed_costs_nobody_a_turn():
    async def story():
        from msgspec.structs import replace

        spine = Spine(flat(THREE), order="round_robin")
        assert [(await spine.ask()).asked[0] for _ in range(2)] == ["a", "b"]
        gateway = spine.gateway.settings
        spine.gateway.settings = replace(gateway, endpoints=tuple(e for e in gateway.endpoints if e.id != "a"))
        assert [(await spine.ask()).asked[0] for _ in range(4)] == ["c", "b", "c", "b"]

    run(story())


def test_a9_advances_once_a_request_and_not_once_an_attempt():
    async def story():
        spine = Spine(flat(THREE), {"a": "500"}, order="round_robin", failure_threshold=99)
        assert [(await spine.ask()).asked for _ in range(3)] == [["a", "b"], ["b"], ["c"]]

    run(story())


def test_x5_random_is_random_for_the_first_pick_and_repeats_nobody():
    async def story():
        spine = Spine(flat(THREE), lambda *_: "500", order="random", failure_threshold=10**6, seed=7)
        orders = [tuple((await spine.ask()).asked) for _ in range(300)]
        assert {frozenset(order) for order in orders} == {frozenset("abc")}
        assert len(set(orders)) == 6
        assert all(70 <= count <= 130 for count in Counter(order[0] for order in orders).values())
        again = Spine(flat(THREE), lambda *_: "500", order="random", failure_threshold=10**6, seed=7)
        assert [tuple((await again.ask()).asked) for _ in range(300)] == orders, "A10: a seeded chance gives a known sequence"

    run(story())


def test_a7_the_default_order_is_untouched_by_providers():
    """`provider` of endpoints that stand alone is their kind: an address that is down says nothing of another."""

    async def story():
        spine = Spine([make_endpoint("a", priority=2), make_endpoint("b"), make_endpoint("c", priority=0)], {"a": "unreachable"})
        assert (await spine.ask()).asked == ["a", "b"]

    run(story())


def test_a11_the_fifth_failure_opens_and_afterwards_exactly_one_of_ten_is_the_trial():
    async def story():
        how = {"a": "500"}
        endpoints = [make_endpoint("a", priority=2), make_endpoint("b")]
        spine = Spine(endpoints, lambda model, _: how.get(model, "ok"), failure_threshold=5, recovery_s=60, delay_s=lambda _: 0.05)
        for _ in range(5):
            assert (await spine.ask()).asked == ["a", "b"]
        assert (await spine.ask()).asked == ["b"]
        breaker = spine.health.breaker(endpoints[0])
        for wait_s in (1, 2, 4, 8, 16, 32, 60, 60):
            opened_at = breaker.opened_at
            await asyncio.sleep(opened_at + wait_s - 0.5 - now())
            assert (await spine.ask()).asked == ["b"]
            await asyncio.sleep(opened_at + wait_s - now())
            told = await asyncio.gather(*(spine.ask() for _ in range(10)))
            assert Counter(one.asked[0] for one in told) == {"a": 1, "b": 9}
            assert {one.status for one in told} == {200}, "the trial costs no client its answer"
        how.clear()
        await asyncio.sleep(61)
        assert (await spine.ask()).asked == ["a"]
        assert spine.health.circuit_state(endpoints[0]) is CircuitState.CLOSED

    run(story())


def test_x1_x2_x3_one_failure_opens_nothing_and_recovery_needs_no_loop():
    async def story():
        how = {"a": "500"}
        endpoints = [make_endpoint("a", priority=2), make_endpoint("b")]
        spine = Spine(endpoints, lambda model, _: how.get(model, "ok"), failure_threshold=5)
        await spine.ask()
        how.clear()
        assert (await spine.ask()).asked == ["a"]
        assert spine.health.breaker(endpoints[0]).failures == 0, "A11: a success resets the count"

    run(story())


def test_a12_a_hundred_bad_requests_leave_the_circuit_closed():
    async def story():
        spine = Spine([make_endpoint("a"), make_endpoint("b")], lambda *_: "400")
        for _ in range(100):
            told = await spine.ask()
            assert (told.status, len(told.asked)) == (400, 1)
        assert all(spine.health.circuit_state(e) is CircuitState.CLOSED for e in spine.gateway.settings.endpoints)

    run(story())


def test_a12_a_401_opens_at_once():
    async def story():
        spine = Spine([make_endpoint("a")], {"a": "401"}, failure_threshold=99)
        told = await spine.ask()
        assert (told.status, told.code) == (502, "upstream_misconfigured")
        assert spine.health.circuit_state(spine.gateway.settings.endpoints[0]) is CircuitState.OPEN

    run(story())


def test_a12_a_client_that_hangs_up_blames_nobody():
    async def story():
        spine = Spine([make_endpoint("a")], {"a": "hang"})
        task = asyncio.ensure_future(spine.ask())
        await settle()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        state = spine.health.breaker(spine.gateway.settings.endpoints[0])
        assert (state.failures, state.in_flight, spine.transport.open) == (0, 0, 0)

    run(story())


def test_a13_a_probe_brings_it_back():
    async def story():
        spine = Spine([make_endpoint("a")], {"a": "401"})
        endpoint = spine.gateway.settings.endpoints[0]
        await spine.ask()
        spine.health.succeeded(endpoint)
        assert spine.health.circuit_state(endpoint) is CircuitState.CLOSED

    run(story())


def test_a20_what_is_logged_matches_the_attempts():
    async def story():
        spine = Spine(providers(TWO_BY_TWO), {"a1": "500", "a2": "500"}, order="priority")
        with structlog.testing.capture_logs() as logs:
            told = await spine.ask()
        assert told.asked == ["a1", "a2", "b1"]
        switches = [line for line in logs if line["event"].endswith("_fallback")]
        assert [(line["event"], line["instead_of"], line["endpoint"]) for line in switches] == [
            ("route.model_fallback", "a1", "a2"),
            ("route.provider_fallback", "a2", "b1"),
        ]
        assert {line["request_id"] for line in switches} == {told.request_id}

    run(story())


def test_a20_circuits_tell_their_changes_with_the_request_that_made_them():
    async def story():
        how = {"a": "500"}
        seen = []
        spine = Spine(
            [make_endpoint("a")],
            lambda model, _: how.get(model, "ok"),
            failure_threshold=1,
            recovery_s=10,
            on_transition=lambda circuit, endpoint, by, cause: seen.append((circuit.value, endpoint.id, by, cause)),
        )
        await spine.ask()
        await asyncio.sleep(10)
        how.clear()
        await spine.ask()
        assert seen == [("open", "a", "r1", "upstream_failed"), ("half_open", "a", "r2", ""), ("closed", "a", "r2", "")]

    run(story())


def test_x7_max_attempts_is_kept_to():
    async def story():
        for most in (1, 2, 5):
            spine = Spine([make_endpoint("a"), make_endpoint("b")], lambda *_: "500", max_attempts=most, failure_threshold=99)
            assert len((await spine.ask()).asked) == most

    run(story())
