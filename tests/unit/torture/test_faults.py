"""What the torture under load compares, it can tell apart."""

from __future__ import annotations

import json

import pytest

from tests.support.fake import DONE, chunk
from tests.support.wire import Answer
from tests.torture.asking import LEFT, Account, Ask, check_lines, check_metrics, ending_of
from tests.torture.endpoint import Wish, large
from tests.torture.troubles import check_fall_over

ACCOUNTS = [
    Account("one", "answered", 200, "e0", 1),
    Account("two", "answered", 200, "e1", 2),
    Account("three", "broken", 200, "e0", 1, since=10.0, until=11.0),
    Account("four", "refused", 404),
    Account("five", LEFT),
]


def line(request_id: str, ending: str, status: int = 200, *attempts: tuple[str, str | None], **more):
    found = {"request_id": request_id, "ending": ending, "status": status, **more}
    if attempts:
        found |= {"endpoint": attempts[-1][0], "attempts": [{"endpoint": id, "error": error} for id, error in attempts]}
    return found


def lines():
    tier = {"tier": "fast", "strategy": "client"}
    return [
        line("one", "answered", 200, ("e0", None), **tier),
        line("two", "answered", 200, ("e0", "upstream_failed"), ("e1", None), **tier),
        line("three", "broken", 200, ("e0", None), **tier),
        line("four", "refused", 404, error="model_not_found"),
        line("five", "abandoned", 499, ("e1", "abandoned"), **tier),
    ]


def metrics():
    found = {
        ("octoroute_requests_total", ("tier", "fast"), ("strategy", "client")): 4,
        ("octoroute_attempts_total", ("endpoint", "e0"), ("error", "")): 2,
        ("octoroute_attempts_total", ("endpoint", "e0"), ("error", "upstream_failed")): 1,
        ("octoroute_attempts_total", ("endpoint", "e1"), ("error", "")): 1,
        ("octoroute_attempts_total", ("endpoint", "e1"), ("error", "abandoned")): 1,
        ("octoroute_retries_total", ("endpoint", "e1")): 1,
        ("octoroute_fallbacks_total", ("tier", "fast")): 1,
        ("octoroute_client_errors_total", ("code", "model_not_found")): 1,
        ("octoroute_outcomes_total", ("endpoint", "e0"), ("outcome", "answered")): 1,
        ("octoroute_outcomes_total", ("endpoint", "e0"), ("outcome", "broken")): 1,
        ("octoroute_outcomes_total", ("endpoint", "e1"), ("outcome", "answered")): 1,
        ("octoroute_outcomes_total", ("endpoint", "e1"), ("outcome", "abandoned")): 1,
        ("octoroute_model_invocations_total", ("tier", "fast")): 2,
        ("octoroute_mid_stream_failures_total", ("endpoint", "e0")): 1,
        ("octoroute_inflight_requests",): 0,
    }
    return {(name, frozenset(labels)): float(value) for (name, *labels), value in found.items()}


def test_the_same_story_is_the_same():
    check_lines(ACCOUNTS, lines(), ["one", "two", "three", "five"])
    check_metrics(lines(), metrics())
    check_metrics(lines(), {**metrics(), ("octoroute_client_errors_total", frozenset({("code", "unknown_route")})): 3.0}, lost=3)


def test_who_left_unheard_may_be_without_a_line_unless_an_endpoint_was_asked():
    check_lines(ACCOUNTS, lines()[:-1], ["one"])
    with pytest.raises(AssertionError, match="five"):
        check_lines(ACCOUNTS, lines()[:-1], ["five"])
    with pytest.raises(AssertionError, match="asked 2 times"):
        check_lines(ACCOUNTS, lines(), ["one", "one"])


@pytest.mark.parametrize(
    "lie",
    [
        lambda told: told.pop(0),
        lambda told: told.append(told[0]),
        lambda told: told.append(line("six", "answered")),
        lambda told: told[0].update(ending="abandoned"),
        lambda told: told[0].update(status=502),
        lambda told: told[1].update(endpoint="e0"),
        lambda told: told[1]["attempts"].pop(),
        lambda told: told[4].update(ending="failed"),
    ],
)
def test_a_line_that_tells_another_story_is_found(lie):
    told = lines()
    lie(told)
    with pytest.raises(AssertionError):
        check_lines(ACCOUNTS, told, [])


@pytest.mark.parametrize("key", [key for key in metrics() if key[0] != "octoroute_inflight_requests"], ids=lambda key: key[0])
@pytest.mark.parametrize("off", [-1.0, 1.0])
def test_a_counter_that_is_off_by_one_is_found(key, off):
    told = metrics()
    told[key] += off
    with pytest.raises(AssertionError, match=key[0]):
        check_metrics(lines(), told)


def test_a_counter_that_nothing_stands_behind_is_found():
    for more in (("octoroute_attempts_total", "endpoint", "e9"), ("octoroute_metrics_recording_failures_total", "operation", "x")):
        with pytest.raises(AssertionError, match=more[0]):
            check_metrics(lines(), {**metrics(), (more[0], frozenset({more[1:]})): 1.0})


def test_only_a_stream_whose_endpoint_was_killed_meanwhile_may_break():
    stream = Ask(Wish("three"), stream=True)
    check_fall_over(stream, ACCOUNTS[2], [("e0", 10.5)])
    for killed in ([], [("e1", 10.5)], [("e0", 9.9)], [("e0", 11.1)]):
        with pytest.raises(AssertionError):
            check_fall_over(stream, ACCOUNTS[2], killed)
    with pytest.raises(AssertionError):
        check_fall_over(Ask(Wish("three")), ACCOUNTS[2], [("e0", 10.5)])
    with pytest.raises(AssertionError):
        check_fall_over(stream, ACCOUNTS[3], [])


def test_somebody_elses_answer_a_cut_one_and_a_short_one_are_found():
    wish = Wish("me", words=2)
    whole, stream = Ask(wish), Ask(wish, stream=True)

    def said(text: str) -> Answer:
        return Answer(200, {}, json.dumps({"choices": [{"message": {"content": text}}]}).encode())

    assert ending_of(whole, said("me-0 me-1 ")) == "answered"
    for text in ("me-0 you-1 ", "me-0 "):
        with pytest.raises(AssertionError):
            ending_of(whole, said(text))
    words = [chunk({"content": text}) for text in ("me-0 ", "me-1 ")]
    assert ending_of(stream, Answer(200, {}, b"".join([*words, DONE]))) == "answered"
    assert ending_of(stream, Answer(200, {}, words[0] + b'data: {"error":{}}\n\n')) == "broken"
    for body in (words[0] + DONE, words[0], words[1] + b'data: {"error":{}}\n\n'):
        with pytest.raises(AssertionError):
            ending_of(stream, Answer(200, {}, body))


def test_the_frames_of_a_large_stream_are_all_different():
    frames = list(large(100_000))
    assert len(set(frames)) == len(frames)
    assert 90_000 < sum(map(len, frames)) < 110_000
