"""How checks are run."""

from __future__ import annotations

import asyncio

import pytest

from octoroute.cli.conform.probe_client import BrokenPromise, NotApplicable, SentEvent, StreamBreak
from octoroute.cli.conform.suite import Bench, Check, Result, delta, expect, run_checks, shown, text_of


async def results(error: Exception | None) -> list[tuple[Result, str]]:
    async def run(_: Bench) -> None:
        if error is not None:
            raise error

    check = Check("one", "a promise", run)
    return [(found.result, found.detail) async for found in run_checks([check, check], Bench(None, "m", None))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "result", "detail"),
    [
        (None, Result.PASSED, ""),
        (BrokenPromise("why"), Result.FAILED, "why"),
        (NotApplicable("why not"), Result.SKIPPED, "why not"),
        (StreamBreak("ReadError"), Result.FAILED, "the stream broke (ReadError)"),
        (TimeoutError(), Result.FAILED, "no result within 90 s"),
    ],
)
async def test_each_check_has_a_result_and_the_next_one_runs(error, result, detail):
    assert await results(error) == [(result, detail)] * 2


async def test_a_run_can_be_cancelled():
    with pytest.raises(asyncio.CancelledError):
        await results(asyncio.CancelledError())


def test_a_check_needs_servers_only_if_it_asks_for_them():
    with pytest.raises(NotApplicable, match="--backend"):
        _ = Bench(None, "m", None).servers  # type: ignore[arg-type]


def test_what_is_expected_is_said_if_it_is_not_so():
    expect([1], "not said")
    with pytest.raises(BrokenPromise, match="said"):
        expect([], "said")


def test_texts_in_messages_are_short():
    assert len(shown(b"\xff" * 1000)) < 200
    assert shown("a") == "'a'"


def test_the_text_of_a_stream():
    events = [
        SentEvent("", '{"choices": [{"delta": {"content": "a"}}]}'),
        SentEvent("", '{"choices": []}'),
        SentEvent("", '{"error": {"message": "b"}}'),
        SentEvent("", '{"choices": [{"delta": {"content": null}}]}'),
        SentEvent("", "[DONE]"),
    ]
    assert text_of(events) == "a"
    assert delta(events[0], "content") == "a"
