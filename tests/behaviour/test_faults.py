"""The table of faults, by the row, for clients of two dialects; all of it, and more, is `python tests/torture/faults.py`."""

from __future__ import annotations

import asyncio
import itertools
import logging
import mmap
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog

from octoroute.upstream.transports import TRANSPORTS
from tests.support.hostile import answer, serving
from tests.torture import faults
from tests.torture.fault_scripts import ACTS
from tests.torture.fault_table import ANSWERED, BROKEN, FAILED, FAULTS, ROWS, Phase

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is left of connections and memory")
THE_ISSUES = {
    "refused", "accept-then-close", "reset", "half-close", "garbage", "oversized headers", "slow headers", "length too long",
    "length too short", "truncated chunk", "never-ending body", "silence", "1-byte dribble", "gzip bomb", "redirect", "100-continue",
    "HTTP/1.0",
}  # fmt: skip


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """A thousand requests that go wrong are no reading matter."""
    configured = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**configured)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("transport", list(TRANSPORTS))
def test_whatever_an_endpoint_does_its_client_gets_what_is_right_and_nothing_is_left(transport, fault):
    cells = faults.rows()[fault]
    assert faults.run(faults.row(transport, cells, ["openai", "anthropic"])).cases == 8 * len(cells)


def test_every_fault_meets_every_moment_once():
    assert [(row.fault, row.phase) for row in ROWS] == list(itertools.product(FAULTS, Phase))
    assert THE_ISSUES <= set(FAULTS) < set(ACTS)


@pytest.mark.parametrize(
    ("phase", "whole", "stream", "said"),
    [
        (Phase.HEAD, ANSWERED, FAILED, "2 of 4:(?s:.)*status 502"),
        (Phase.MID, FAILED, ANSWERED, "2 of 4:(?s:.)*not the endpoint's own bytes"),
        (Phase.DONE, ANSWERED, BROKEN, "2 of 4:(?s:.)*proper end"),
    ],
)
def test_the_table_is_not_blind(phase, whole, stream, said):
    """What is not right is noticed, in whole answers, in streams, and where a second endpoint answers although it should not."""
    (cell,) = [cell for cell in faults.rows()["reset"] if cell.phase is phase]
    with pytest.raises(AssertionError, match=said):
        faults.run(faults.row("native", [replace(cell, whole=whole, stream=stream)], ["openai"]))


async def test_connections_that_are_left_are_seen():
    async def answers_and_hangs_up(peer):
        await peer.request()
        await peer.send(answer())

    async with serving(answers_and_hangs_up) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert faults.held([server.port]) == {server.port: 1}
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.readuntil(b"fine")
        writer.close()
        await writer.wait_closed()
        await faults.gone(lambda: faults.held([server.port]), "a closed connection is seen")


def test_memory_that_was_used_in_between_is_seen():
    before = faults.memory()
    with mmap.mmap(-1, 100_000_000) as fresh:
        fresh.write(bytes(100_000_000))
    assert faults.memory(peak=True) - before > 90_000_000
