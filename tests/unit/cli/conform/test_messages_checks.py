"""The order of events in Anthropic's streams. What the checks do at real gateways is in tests/behaviour/test_conform.py."""

from __future__ import annotations

import pytest

from octoroute.cli.conform.messages_checks import expect_order
from octoroute.cli.conform.probe_client import BrokenPromise, SentEvent

BLOCK = "content_block_start content_block_delta content_block_delta content_block_stop"
WHOLE = f"message_start ping {BLOCK} {BLOCK} message_delta message_stop"


def events(names: str) -> list[SentEvent]:
    return [SentEvent(name, f'{{"type": "{name}"}}') for name in names.split()]


@pytest.mark.parametrize(
    "names", [WHOLE, f"message_start {BLOCK} ping message_delta message_stop ping", WHOLE.replace("content_block_delta ", "")]
)
def test_a_whole_message(names):
    expect_order(events(names))


@pytest.mark.parametrize(
    "names",
    [
        "",
        BLOCK,
        WHOLE.replace("message_start", "ping"),
        WHOLE.replace(" message_stop", ""),
        WHOLE.replace(" message_delta", ""),
        WHOLE.replace("content_block_stop", "ping", 1),
        f"{WHOLE} error",
        f"{WHOLE} {WHOLE}",
    ],
)
def test_anything_else(names):
    with pytest.raises(BrokenPromise):
        expect_order(events(names))
