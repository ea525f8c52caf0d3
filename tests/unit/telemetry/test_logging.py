"""What a log line looks like: coloured on a terminal and the same in every process, JSON in a pipe, and never in the way."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import math
import os
import re
import subprocess
import sys
import threading

import pytest
import structlog

from octoroute.domain.outcome import Ending, Outcome
from octoroute.telemetry import logging as logs
from octoroute.telemetry.access_log import LATE_S, MAX_LATE, ROUTING, OutcomeSink
from octoroute.telemetry.exposition import Exposition, Scraper
from octoroute.telemetry.metrics import Metrics
from octoroute.telemetry.stats import Statistics
from tests.support.live_gateway import ROOT, until

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Screen(io.TextIOWrapper):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    @property
    def text(self) -> str:
        return self.buffer.getvalue().decode()


@pytest.fixture
def write():
    """Configure, log, and give back what was written."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers, root.level

    def written(*, style="auto", terminal=False, env=None, level="info", say=None, providers=("one", "two")) -> str:
        screen = Screen(terminal=terminal)
        logs.configure(level=level, style=style, providers=providers, out=screen, env=env)
        (say or (lambda log: log.info("request", provider="one", status=200)))(structlog.stdlib.get_logger("x"))
        return screen.text

    yield written
    structlog.configure(**before)
    root.handlers, root.level = handlers, level


def test_a_pipe_gets_json_and_no_escapes(write):
    line = json.loads(write())
    assert (line["event"], line["level"], line["provider"], line["status"]) == ("request", "info", "one", 200)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", line["timestamp"])


@pytest.mark.parametrize(("style", "terminal", "env", "coloured"), [("auto", True, {}, True), ("console", False, {}, False), ("console", True, {"NO_COLOR": "1"}, False), ("console", False, {"FORCE_COLOR": "1"}, True)])  # fmt: skip
def test_colours_are_for_terminals(write, style, terminal, env, coloured):
    text = write(style=style, terminal=terminal, env=env)
    assert bool(ESCAPES.search(text)) == coloured
    assert "request" in text
    assert "status=200" in ESCAPES.sub("", text)
    assert "[one]" in ESCAPES.sub("", text)


def test_the_first_six_providers_have_six_colours_and_the_rest_keep_theirs():
    known = {name: logs.PALETTE[at] for at, name in enumerate("abcdef")}
    assert len({logs.colour_of(name, known) for name in "abcdef"}) == 6
    assert logs.colour_of("somebody else", known) in logs.PALETTE


def test_a_colour_is_the_same_in_every_process():
    code = "from octoroute.telemetry.logging import colour_of; print([colour_of(f'provider-{n}', {}) for n in range(20)])"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env={**env, "PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
    assert len(set(eval(told.pop()))) > 2


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_traceback_shows_no_values(write, style):
    """Some renderers show local variables, and a prompt is one."""

    def say(log):
        def fail(prompt: str) -> None:
            raise ValueError("odd " + str(len(prompt)))

        parts = ("SECRET", "PROMPT")
        try:
            fail("-".join(parts))
        except ValueError:
            log.exception("request failed")

    text = write(style=style, say=say, terminal=style == "console")
    assert "ValueError" in text
    assert "SECRET-PROMPT" not in text


@pytest.mark.parametrize(("level", "shown"), [("trace", 4), ("debug", 4), ("info", 3), ("warn", 2), ("error", 1)])
def test_levels(write, level, shown):
    def say(log):
        for method in (log.debug, log.info, log.warning, log.error):
            method("x")

    assert len(write(level=level, say=say).splitlines()) == shown


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize(
    "value",
    ["lone \ud800 surrogate", "line\nend", "\x1b[31mred", "\x00", b"\xff", object(), {1, 2}, float("nan"), 10**30, {"a": [None]}],
)
def test_nothing_that_is_logged_breaks_the_log(write, style, value):
    text = write(style=style, say=lambda log: log.info("odd", value=value))
    assert "odd" in text
    if style == "json":
        assert len(text.splitlines()) == 1
        json.loads(text)


def test_what_libraries_say_comes_out_in_our_format(write):
    text = write(say=lambda log: logging.getLogger("some.library").warning("told %s", "you"))
    assert json.loads(text)["event"] == "told you"
    assert write(say=lambda log: logging.getLogger("some.library").info("chatter")) == ""


class File(io.BytesIO):
    """Remembers each write. `most`: bytes that it takes at once."""

    def __init__(self, most: int = 1 << 30) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.most = most

    def write(self, data) -> int:
        self.writes.append(bytes(data[: self.most]))
        return super().write(data[: self.most])


def test_a_log_that_cannot_be_written_costs_lines_and_nothing_else():
    class Full:  # not an io class: those flush once more when they are collected
        def write(self, data) -> int:
            raise OSError(28, "no space left on device")

        def flush(self) -> None:
            raise OSError(28, "no space left on device")

    lines = logs.BufferedLineWriter(Full())  # type: ignore[arg-type]
    lines.put(b"x\n")
    lines.write(b"y\n")
    lines.flush()
    assert lines.dropped == 2
    closed = io.BytesIO()
    closed.close()
    lines = logs.BufferedLineWriter(closed)
    lines.put(b"x\n")
    assert lines.dropped == 1
    assert logs.BufferedLineWriter(File(most=0)).put(b"x\n") is None


async def test_lines_that_come_together_are_written_together_and_soon():
    file = File()
    lines = logs.BufferedLineWriter(file, patient=True)
    for number in range(3):
        lines.put(b"%d\n" % number)
    assert file.writes == []
    await until(lambda: bool(file.writes))
    assert file.writes == [b"0\n1\n2\n"]
    lines.put(b"3\n")
    await until(lambda: len(file.writes) == 2)


async def test_not_many_lines_wait():
    file = File()
    lines = logs.BufferedLineWriter(file, patient=True)
    for _ in range(logs.MAX_PENDING_LINES):
        lines.put(b"x\n")
    assert file.writes == [b"x\n" * logs.MAX_PENDING_LINES]


def test_without_a_loop_no_line_waits():
    file = File()
    logs.BufferedLineWriter(file, patient=True).put(b"x\n")
    assert file.writes == [b"x\n"]


async def test_a_terminal_does_not_wait():
    file = File()
    logs.BufferedLineWriter(file).put(b"x\n")
    assert file.writes == [b"x\n"]


async def test_what_structlog_writes_comes_after_what_waits():
    file = File()
    lines = logs.BufferedLineWriter(file, patient=True)
    lines.put(b"first\n")
    structlog.BytesLogger(lines).msg(b"second")
    assert file.getvalue() == b"first\nsecond\n"


async def test_the_lines_of_several_processes_do_not_mix():
    """A pipe takes 4,096 bytes at once; of more, two writers' bytes may alternate."""
    file = File()
    lines = logs.BufferedLineWriter(file, patient=True, shared=True)
    told = [b"%d" % number * 700 + b"\n" for number in range(10)] + [b"x" * 9000 + b"\n", b"y\n"]
    for line in told:
        lines.put(line)
    lines.flush()
    assert b"".join(told) == file.getvalue()
    assert all(written.endswith(b"\n") for written in file.writes)
    assert max(file.writes, key=len) == told[-2]
    assert all(len(written) <= 4096 for written in file.writes if written != told[-2])
    assert len(file.writes) == 4


async def test_a_file_without_a_buffer_gets_every_byte():
    file = File(most=3)
    lines = logs.BufferedLineWriter(file, patient=True)
    told = [b"%d\n" % number for number in range(1000)]
    for line in told:
        lines.put(line)
    lines.flush()
    assert file.getvalue() == b"".join(told)
    assert lines.dropped == 0


def test_threads_lose_no_line():
    file = File()
    lines = logs.BufferedLineWriter(file, patient=True)

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
    logs.FastJsonLogger(logs.BufferedLineWriter(file), logging.INFO).write("warning", "request", dict(said))
    direct = json.loads(file.getvalue())
    assert sorted(direct) == sorted(usual)
    shape = re.compile(r"\d")
    assert shape.sub("0", direct.pop("timestamp")) == shape.sub("0", usual.pop("timestamp"))
    assert direct == usual
    assert file.getvalue().count(b"\n") == 1


@pytest.mark.parametrize(("level", "levels"), [(logging.NOTSET, 4), (logging.INFO, 3), (logging.ERROR, 1)])
def test_the_direct_way_knows_the_level(level, levels):
    assert len({"debug", "info", "warning", "error"} & logs.FastJsonLogger(logs.BufferedLineWriter(File()), level).levels) == levels


@pytest.fixture
def ledger(write):
    """A ledger of a process that writes JSON directly, and its file."""
    write(style="json")
    file = File()
    structlog.configure(
        **{
            **structlog.get_config(),
            "logger_factory": logs.FastJsonLogger(logs.BufferedLineWriter(file, patient=True), logging.INFO),
        }
    )
    return OutcomeSink(Metrics(lambda decision: "because"), Statistics(lambda: 0.0)), file


async def test_good_news_waits_and_bad_news_does_not(ledger):
    books, file = ledger
    basis = {"dialect": "openai", "asked_for": "auto", "stream": False, "total_s": 0.00123456}
    books.settle(Outcome(request_id="1", ending=Ending.ANSWERED, status=200, **basis), None)
    books.settle(Outcome(request_id="2", ending=Ending.ANSWERED, status=200, **{**basis, "dialect": ROUTING}), None)
    assert file.writes == []
    books.settle(Outcome(request_id="3", ending=Ending.FAILED, status=502, error="upstream_failed", **basis), None)
    told = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [(line["request_id"], line["level"], line["event"]) for line in told] == [("1", "info", "request"), ("3", "warning", "request")]  # fmt: skip
    assert told[0]["total_ms"] == 1.23


def answered(number: int) -> Outcome:
    basis = {"dialect": "openai", "asked_for": "auto", "stream": False, "ending": Ending.ANSWERED, "status": 200}
    return Outcome(request_id=str(number), total_s=0.1, **basis)


async def test_good_news_is_written_down_in_company_in_its_order_and_soon(ledger):
    books, file = ledger

    def counted() -> int:
        books._metrics.flush()
        return books._statistics.snapshot()["total_requests"]

    books.settle(answered(0), None)
    assert counted() == 0
    while not counted():
        await asyncio.sleep(LATE_S)
    for number in range(1, MAX_LATE + 2):
        books.settle(answered(number), None)
    assert counted() == MAX_LATE + 1
    books.catch_up()
    assert counted() == MAX_LATE + 2
    while not file.writes:
        await asyncio.sleep(LATE_S)
    books._direct.flush()
    assert [json.loads(line)["request_id"] for line in file.getvalue().splitlines()] == [str(n) for n in range(MAX_LATE + 2)]


async def test_who_reads_the_statistics_or_the_metrics_misses_nothing(ledger):
    books, _ = ledger
    books._statistics.catch_up = books.flush
    books.settle(answered(1), None)
    assert books._statistics.snapshot()["total_requests"] == 1
    books.settle(answered(2), None)
    scraper = Scraper(Exposition(books._metrics, list), lambda: 0.0, catch_up=books.catch_up)
    await scraper.text()
    assert books._late == []


def test_without_a_loop_nothing_waits(ledger):
    books, _ = ledger
    books.settle(answered(1), None)
    assert books._late == []


async def test_no_number_breaks_the_line(ledger):
    books, file = ledger
    basis = {"request_id": "r", "dialect": "openai", "asked_for": "auto", "stream": False, "ending": Ending.BROKEN, "status": 200}
    for total_s in (math.nan, math.inf, -math.inf, -0.001, 1e300):
        books.settle(Outcome(total_s=total_s, **basis), None)
    told = [json.loads(line) for line in file.getvalue().splitlines()]
    assert len([line for line in told if line["event"] == "request"]) == 5


def test_only_a_process_that_is_configured_once_goes_the_direct_way(write):
    write(style="json")
    assert logs.fast_logger() is None
