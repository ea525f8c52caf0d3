"""What a log line looks like: coloured on a terminal, JSON in a pipe, and never in the way."""

from __future__ import annotations

import json
import logging
import re

import pytest

from octoroute.telemetry.logging import fast_logger

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


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


def test_only_a_process_that_is_configured_once_goes_the_direct_way(write):
    write(style="json")
    assert fast_logger() is None
