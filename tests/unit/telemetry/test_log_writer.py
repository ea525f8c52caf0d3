"""Lines are whole, in order, written together where they may wait, and a file that takes none costs lines and nothing else."""

from __future__ import annotations

import io
import json
import logging
import math
import re
import threading

import pytest
import structlog

from octoroute.telemetry.log_writer import MAX_PENDING_LINES, BufferedLineWriter, FastJsonLogger
from tests.support.live_gateway import until
from tests.support.log_output import File


def test_a_log_that_cannot_be_written_costs_lines_and_nothing_else():
    class Full:  # not an io class: those flush once more when they are collected
        def write(self, data) -> int:
            raise OSError(28, "no space left on device")

        def flush(self) -> None:
            raise OSError(28, "no space left on device")

    lines = BufferedLineWriter(Full())  # type: ignore[arg-type]
    lines.put(b"x\n")
    lines.write(b"y\n")
    lines.flush()
    assert lines.dropped == 2
    closed = io.BytesIO()
    closed.close()
    lines = BufferedLineWriter(closed)
    lines.put(b"x\n")
    assert lines.dropped == 1
    assert BufferedLineWriter(File(max_write=0)).put(b"x\n") is None


async def test_lines_that_come_together_are_written_together_and_soon():
    file = File()
    lines = BufferedLineWriter(file, buffered=True)
    for number in range(3):
        lines.put(b"%d\n" % number)
    assert file.writes == []
    await until(lambda: bool(file.writes))
    assert file.writes == [b"0\n1\n2\n"]
    lines.put(b"3\n")
    await until(lambda: len(file.writes) == 2)


async def test_not_many_lines_wait():
    file = File()
    lines = BufferedLineWriter(file, buffered=True)
    for _ in range(MAX_PENDING_LINES):
        lines.put(b"x\n")
    assert file.writes == [b"x\n" * MAX_PENDING_LINES]


def test_without_a_loop_no_line_waits():
    file = File()
    BufferedLineWriter(file, buffered=True).put(b"x\n")
    assert file.writes == [b"x\n"]


async def test_a_terminal_does_not_wait():
    file = File()
    BufferedLineWriter(file).put(b"x\n")
    assert file.writes == [b"x\n"]


async def test_what_structlog_writes_comes_after_what_waits():
    file = File()
    lines = BufferedLineWriter(file, buffered=True)
    lines.put(b"first\n")
    structlog.BytesLogger(lines).msg(b"second")
    assert file.getvalue() == b"first\nsecond\n"


async def test_the_lines_of_several_processes_do_not_mix():
    """A pipe takes 4,096 bytes at once; of more, two writers' bytes may alternate."""
    file = File()
    lines = BufferedLineWriter(file, buffered=True, shared=True)
    expected = [b"%d" % number * 700 + b"\n" for number in range(10)] + [b"x" * 9000 + b"\n", b"y\n"]
    for line in expected:
        lines.put(line)
    lines.flush()
    assert b"".join(expected) == file.getvalue()
    assert all(written.endswith(b"\n") for written in file.writes)
    assert max(file.writes, key=len) == expected[-2]
    assert all(len(written) <= 4096 for written in file.writes if written != expected[-2])
    assert len(file.writes) == 4


async def test_a_file_without_a_buffer_gets_every_byte():
    file = File(max_write=3)
    lines = BufferedLineWriter(file, buffered=True)
    expected = [b"%d\n" % number for number in range(1000)]
    for line in expected:
        lines.put(line)
    lines.flush()
    assert file.getvalue() == b"".join(expected)
    assert lines.dropped == 0


def test_threads_lose_no_line():
    file = File()
    lines = BufferedLineWriter(file, buffered=True)

    def work(letter: bytes):
        for _ in range(500):
            lines.put(letter + b"\n")

    threads = [threading.Thread(target=work, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.flush()
    assert sorted(file.getvalue().splitlines()) == sorted([b"a", b"b", b"c", b"d"] * 500)


ODD = object()


@pytest.mark.parametrize(
    "said",
    [
        {"request_id": "r", "total_ms": 0.25, "attempts": [{"error": None}]},
        {"text": "lone \ud800 surrogate", "why": ODD},
        {"a": math.nan},
    ],
)
def test_the_direct_way_writes_what_structlog_would(write, said):
    usual = json.loads(write(style="json", say=lambda log: log.warning("request", **said)))
    file = File()
    FastJsonLogger(BufferedLineWriter(file), logging.INFO).write("warning", "request", dict(said))
    direct = json.loads(file.getvalue())
    assert sorted(direct) == sorted(usual)
    shape = re.compile(r"\d")
    assert shape.sub("0", direct.pop("timestamp")) == shape.sub("0", usual.pop("timestamp"))
    assert direct == usual
    assert file.getvalue().count(b"\n") == 1


@pytest.mark.parametrize(("level", "levels"), [(logging.NOTSET, 4), (logging.INFO, 3), (logging.ERROR, 1)])
def test_the_direct_way_knows_the_level(level, levels):
    assert len({"debug", "info", "warning", "error"} & FastJsonLogger(BufferedLineWriter(File()), level).levels) == levels
