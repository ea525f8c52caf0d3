"""Six providers have six colours, and a colour is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys

from octoroute.telemetry.console import PALETTE, colour_of
from tests.support.live_gateway import ROOT


def test_the_first_six_providers_have_six_colours_and_the_rest_keep_theirs():
    known = {name: PALETTE[at] for at, name in enumerate("abcdef")}
    assert len({colour_of(name, known) for name in "abcdef"}) == 6
    assert colour_of("somebody else", known) in PALETTE


def test_a_colour_is_the_same_in_every_process():
    code = "from octoroute.telemetry.console import colour_of; print([colour_of(f'provider-{n}', {}) for n in range(20)])"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env={**env, "PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert len(set(eval(printed.pop()))) > 2
