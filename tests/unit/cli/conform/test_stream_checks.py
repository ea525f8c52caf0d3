"""What tells half an answer from a whole one. What the checks do at real gateways is in tests/behaviour/test_conform.py."""

from __future__ import annotations

import json

import pytest

from octoroute.cli.conform.probe_client import BrokenPromise, SentEvent
from octoroute.cli.conform.scripts import ARGUMENTS
from octoroute.cli.conform.stream_checks import expect_arguments, expect_failure

WORD = SentEvent("", '{"choices": [{"delta": {"content": "a"}, "finish_reason": null}]}')
END = SentEvent("", '{"choices": [{"delta": {}, "finish_reason": "stop"}]}')
DONE = SentEvent("", "[DONE]")
ERROR = SentEvent("", '{"error": {"message": "m"}}')


@pytest.mark.parametrize(("events", "broke"), [([WORD, ERROR], False), ([WORD], True), ([], True), ([WORD, ERROR, DONE], False)])
def test_a_failure_is_an_error_or_a_break(events, broke):
    expect_failure(events, broke)


@pytest.mark.parametrize(
    ("events", "broke"), [([WORD], False), ([WORD, DONE], False), ([WORD, END, DONE], False), ([WORD, END], True), ([], False)]
)
def test_an_end_is_none(events, broke):
    with pytest.raises(BrokenPromise):
        expect_failure(events, broke)


def test_arguments_are_compared_as_json():
    expect_arguments(json.dumps(dict(reversed(ARGUMENTS.items())), indent=1))
    for text in ("", "{}", json.dumps(ARGUMENTS)[:-1], json.dumps(json.dumps(ARGUMENTS))):
        with pytest.raises(BrokenPromise):
            expect_arguments(text)
