"""What a log line looks like: coloured on a terminal and the same in every process, JSON in a pipe, and never in the way."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys

import pytest
import structlog

from octoroute import logs
from tests.support.house import ROOT

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
    code = "from octoroute.logs import colour_of; print([colour_of(f'provider-{n}', {}) for n in range(20)])"
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


def test_a_log_that_cannot_be_written_costs_lines_and_nothing_else():
    class Full:  # not an io class: those flush once more when they are collected
        def write(self, data) -> int:
            raise OSError(28, "no space left on device")

        def flush(self) -> None:
            raise OSError(28, "no space left on device")

    lines = logs.Lines(Full())  # type: ignore[arg-type]
    assert lines.write(b"x") == 0
    lines.flush()
    assert lines.dropped == 2
    closed = io.BytesIO()
    closed.close()
    lines = logs.Lines(closed)
    lines.write(b"x")
    assert lines.dropped == 1
