"""One request is settled once, with everything that happened to it in its Outcome."""

from __future__ import annotations

import msgspec
import pytest

from octoroute.balancing.health import HealthRegistry
from octoroute.dialects.response.progress import Progress
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.outcome import ContextChange, Ending, Usage
from octoroute.domain.price import Price
from octoroute.domain.request import Facts
from octoroute.errors import BadUpstreamResponse, Exhausted, UnknownModel
from octoroute.gateway.context_window import TruncatedRequest
from octoroute.gateway.lifecycle import RequestLifecycle, ending_of, usage_of
from octoroute.gateway.live_requests import LiveRequests
from tests.support.parts import endpoint, request
from tests.support.spine import Book

DECISION = Decision(tier=Tier.FAST, by="rule", why="because")
USAGE = Usage(input_tokens=10, output_tokens=5)


class Response:
    def __init__(self, usage=USAGE, output_chars=0) -> None:
        self.progress = Progress()
        self.progress.usage = usage
        self.progress.output_chars = output_chars
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Stage:
    def __init__(self, **more) -> None:
        self.now = 0.0
        self.book = Book()
        self.health = HealthRegistry(failure_threshold=1, recovery_s=30.0, clock=lambda: self.now, wall=lambda: 0.0)
        self.request = request(facts=Facts(context_tokens=40), **more)
        self.lifecycle = RequestLifecycle(self.request, self.book, LiveRequests(lambda: self.now))
        self.lifecycle.decided(DECISION)

    def answer(self, name="a", response=None, **more):
        one = endpoint(name, **more)
        response = response or Response()
        self.lifecycle.answered(self.health.acquire(one), response, self.now)
        return one, response

    def in_flight(self, *endpoints) -> list[int]:
        return [self.health.breaker(one).in_flight for one in endpoints]

    @property
    def outcome(self):
        (outcome,) = self.book.outcomes
        return outcome


def test_it_has_at_most_eighteen_fields():
    assert len(RequestLifecycle.__slots__) <= 18


def test_only_the_first_settlement_and_the_first_ending_count():
    stage = Stage()
    one, response = stage.answer()
    assert stage.in_flight(one) == [1]
    stage.lifecycle.finish(Ending.ANSWERED)
    stage.lifecycle.finish(Ending.BROKEN, BadUpstreamResponse("x"))
    stage.lifecycle.settle()
    stage.lifecycle.settle()
    assert (stage.outcome.ending, stage.outcome.error, stage.outcome.status) == (Ending.ANSWERED, None, 200)
    assert (response.closed, stage.in_flight(one)) == (1, [0])
    assert stage.health.available(one)


def test_without_an_ending_the_client_has_left():
    stage = Stage()
    stage.lifecycle.settle()
    assert (stage.outcome.ending, stage.outcome.status, stage.outcome.endpoint) == (Ending.ABANDONED, 499, None)


def test_a_break_is_the_endpoints_failure():
    stage = Stage()
    one, _ = stage.answer()
    stage.lifecycle.finish(Ending.BROKEN, BadUpstreamResponse("x"))
    stage.lifecycle.settle()
    assert stage.outcome.status == 200
    assert stage.outcome.error == BadUpstreamResponse.code
    assert not stage.health.available(one)


def test_each_observer_is_called_once_with_the_outcome_and_after_the_sink():
    stage, seen = Stage(), []

    class Policy:
        def on_outcome(self, outcome):
            seen.append((outcome, len(stage.book.outcomes)))

    policy = Policy()
    stage.lifecycle.observe(policy.on_outcome)
    stage.lifecycle.observe(policy.on_outcome)
    stage.lifecycle.observe(lambda outcome: seen.append("last"))
    stage.lifecycle.settle()
    assert seen == [(stage.outcome, 1), "last"]


@pytest.mark.parametrize(
    ("set_up", "field", "value"),
    [
        (lambda lifecycle: lifecycle.queued(1.5), "queued_s", 1.5),
        (lambda lifecycle: lifecycle.served_from_cache(("note",)), "cache", "hit"),
        (lambda lifecycle: lifecycle.cascaded("unavailable"), "cascade", "unavailable"),
        (lambda lifecycle: lifecycle.finish(Ending.FAILED, Exhausted("x")), "error", Exhausted("x").code),
    ],
)
def test_what_most_requests_do_not_have_is_in_the_outcome_of_those_that_do(set_up, field, value):
    stage = Stage()
    set_up(stage.lifecycle)
    stage.lifecycle.finish(Ending.ANSWERED)
    stage.lifecycle.settle()
    rare = ("queued_s", "cache", "error", "cost_micros", "cascade", "check", "context")
    assert {name: getattr(stage.outcome, name) for name in rare} == {**dict.fromkeys(rare), field: value}


def test_an_edited_request_takes_the_place_of_the_one_that_arrived():
    stage = Stage()
    changes = (ContextChange("summary", "context: shorter"),)
    edited = msgspec.structs.replace(stage.request, model="edited")
    assert stage.lifecycle.context_changes == ()
    stage.lifecycle.edited(edited, changes)
    stage.answer("weak")
    stage.lifecycle.release_rejected(stage.lifecycle.reject("score"))
    assert stage.lifecycle.request is edited
    stage.lifecycle.settle()
    assert stage.outcome.context_changes == stage.lifecycle.context_changes == changes


def rejected(stage):
    weak, response = stage.answer("weak", price=Price(input=1.0, output=2.0))
    stage.lifecycle.warnings = ("weak",)
    return weak, response, stage.lifecycle.reject("score")


def test_a_rejected_response_is_restored_as_if_it_had_never_been_rejected():
    stage = Stage()
    weak, response, aside = rejected(stage)
    assert (stage.lifecycle.response, stage.lifecycle.warnings) == (None, ())
    stage.lifecycle.failed(endpoint("strong"), 0.0, "unreachable")
    stage.lifecycle.restore(aside)
    assert (stage.lifecycle.endpoint, stage.lifecycle.warnings) == (weak, ("weak",))
    stage.lifecycle.finish(Ending.ANSWERED)
    stage.lifecycle.settle()
    assert (stage.outcome.endpoint, stage.outcome.usage, stage.outcome.check) == (weak, USAGE, "score")
    assert [attempt.rejected for attempt in stage.outcome.attempts] == [None, None]
    assert (response.closed, stage.in_flight(weak)) == (1, [0])


def test_a_rejected_response_is_paid_for_and_its_endpoint_is_released_at_once():
    stage = Stage()
    weak, response, aside = rejected(stage)
    strong, _ = stage.answer("strong")
    stage.lifecycle.release_rejected(aside)
    assert (response.closed, stage.in_flight(weak, strong)) == (1, [0, 1])
    stage.lifecycle.finish(Ending.ANSWERED)
    stage.lifecycle.settle()
    assert stage.outcome.endpoint == strong
    assert [(attempt.rejected, attempt.usage) for attempt in stage.outcome.attempts] == [("score", USAGE), (None, USAGE)]
    assert stage.outcome.cost_micros == 20
    assert stage.health.available(weak)


def test_a_response_that_breaks_before_the_commit_leaves_the_request_as_it_arrived():
    stage = Stage()
    shorter = msgspec.structs.replace(stage.request, facts=Facts(context_tokens=4))
    stage.lifecycle.truncated(TruncatedRequest(request=shorter, original_tokens=40, messages=2, messages_removed=1, window=5))
    one, response = stage.answer()
    stage.lifecycle.broke_before_commit(BadUpstreamResponse("x"))
    assert (stage.lifecycle.request, stage.lifecycle.truncation, stage.lifecycle.response) == (stage.request, None, None)
    assert [attempt.error for attempt in stage.lifecycle.attempts] == [BadUpstreamResponse.code]
    assert (response.closed, stage.in_flight(one), stage.health.available(one)) == (1, [0], False)


def test_usage_is_estimated_only_if_the_provider_reported_none():
    asked = request(facts=Facts(context_tokens=40))
    assert usage_of(Response(), asked) == USAGE
    assert usage_of(Response(None, output_chars=41), asked) == Usage(input_tokens=40, output_tokens=10, estimated=True)
    assert usage_of(Response(None, output_chars=1), asked).output_tokens == 1
    assert usage_of(Response(None), asked) is None


def test_endings_of_errors():
    assert ending_of(UnknownModel("x")) is Ending.REFUSED
    assert ending_of(Exhausted("x", status=429)) is Ending.FAILED
    assert ending_of(BadUpstreamResponse("x")) is Ending.FAILED
