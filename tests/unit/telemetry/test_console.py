"""Six providers have six colours, and a colour is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from octoroute.telemetry.console import PALETTE, colour_of, colours_of, console_renderer, supports_colours
from tests.support.live_gateway import ROOT
from tests.support.log_output import Screen


def test_the_first_six_providers_have_six_colours_and_the_rest_keep_theirs():
    known = {name: PALETTE[at] for at, name in enumerate("abcdef")}
    assert len({colour_of(name, known) for name in "abcdef"}) == 6
    assert colour_of("another", known) in PALETTE


def test_a19_a_colour_is_the_same_in_every_process():
    code = "from octoroute.telemetry.console import colour_of; print([colour_of(f'provider-{n}', {}) for n in range(20)])"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env={**env, "PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert len(set(eval(printed.pop()))) > 2


def test_a19_six_providers_six_colours_and_the_palette_in_order():
    known = colours_of(f"p{at}" for at in range(9))
    assert [colour_of(f"p{at}", known) for at in range(6)] == [f"\x1b[{code}m" for code in (92, 94, 95, 96, 93, 91)]
    assert colour_of("p7", known) in PALETTE


@pytest.mark.parametrize(
    ("env", "terminal", "coloured"),
    [({}, True, True), ({}, False, False), ({"NO_COLOR": "1"}, True, False), ({"FORCE_COLOR": "1"}, False, True), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False)],
)  # fmt: skip
def test_a19_only_on_a_terminal_unless_told_otherwise(env, terminal, coloured):
    assert supports_colours(Screen(terminal=terminal), env) is coloured


def test_a19_levels_and_providers_in_colour_and_none_in_a_pipe():
    event = {"event": "request", "level": "warning", "timestamp": "t", "provider": "main"}
    assert "\x1b[92m[main]" in console_renderer(["main"], colours=True)(None, "", dict(event))
    assert "\x1b[93m" in console_renderer(["main"], colours=True)(None, "", dict(event))
    assert "\x1b" not in console_renderer(["main"], colours=False)(None, "", dict(event))
