"""A process that native code holds up ends, and says where it was; one that only waits, or whose loop turns, goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import re, signal, time
from octoroute.server.watchdog import Watchdog

signal.signal(signal.SIGTERM, lambda *_: None)
watchdog = Watchdog(lambda: None, {limit})

def busy(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass

def hold_the_lock():
    re.match("(a+)+$", "a" * 64 + "hunter2")

with watchdog:
    watchdog.beat()
    {body}
busy({limit} + 0.1)
print("ended")
"""


def run(body: str, limit: float = 0.3) -> subprocess.CompletedProcess[str]:
    text = SCRIPT.format(body=body, limit=limit)
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=50, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


def test_a_process_in_native_code_that_holds_the_lock_ends_and_names_the_place():
    ended = run("hold_the_lock()")
    assert ended.returncode == signal.SIGVTALRM  # no default action: it would not end the first process of a container
    assert "in hold_the_lock" in ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_loop_that_turns_goes_on():
    ended = run("for _ in range(10):\n        busy(0.05)\n        watchdog.beat()", limit=0.3)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ended\n", "")


def test_waiting_is_not_being_stuck():
    ended = run("time.sleep(0.4)")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ended\n", "")
