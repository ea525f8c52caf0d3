"""The parent of several workers: with a script for the workers in a process of its own, or without any."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from octoroute.server.workers import Workers

ROOT = Path(__file__).resolve().parents[3]
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

SCRIPT = """
import os, re, signal, socket, sys, time
from octoroute.server.watchdog import Watchdog
from octoroute.server.workers import Workers

def tell(line):
    os.write(1, line.encode() + b"\\n")  # in one piece

def work(listener, report_ready, beat):
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    report_ready()
    tell(f"worker {{os.getpid()}}")
    if {in_native_code}:
        Watchdog().__enter__()
        re.match("(a+)+$", "a" * 64 + "b")  # holds Python's lock for years
    while not (stopped and {obedient}):
        time.sleep(0.05)
        if {beats}:
            beat()

def died(pid):
    tell(f"died {{pid}}")

workers = Workers(socket.socket(), work, reload=lambda: None, died=died, stop_limit_s={limit}, max_silence_s={silence})
code = workers.run(2, lambda: tell("ready"))
tell(f"code {{code}}")
"""


class Script:
    """The script in a process of its own."""

    def __init__(self, **more: object) -> None:
        text = SCRIPT.format(**{"obedient": True, "beats": True, "in_native_code": False, "limit": 60, "silence": 60, **more})
        self.process = subprocess.Popen(
            [sys.executable, "-c", text],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        self.lines: list[str] = []

    def until(self, word: str, count: int = 1) -> list[str]:
        """The lines that begin with the word, once there are so many."""
        while len(found := [line for line in self.lines if line.startswith(word)]) < count:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert line, f"ended: {self.lines}"
            self.lines.append(line.strip())
        return found

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@pytest.fixture
def run():
    scripts: list[Script] = []

    def start(**more: object) -> Script:
        scripts.append(Script(**more))
        return scripts[-1]

    yield start
    for script in scripts:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(script.process.pid, signal.SIGKILL)
        script.process.communicate()


def pid(line: str) -> int:
    return int(line.split()[1])


def test_a_worker_that_is_killed_is_replaced_and_the_exit_code_after_a_stop_is_0(run):
    script = run()
    script.until("ready")
    first, _ = script.until("worker", 2)
    os.kill(pid(first), signal.SIGKILL)
    assert pid(script.until("worker", 3)[-1]) != pid(first)
    script.signal(signal.SIGTERM)
    assert script.until("code") == ["code 0"]


@pytest.mark.parametrize("which", ["in native code", "suspended"])
def test_a_worker_that_runs_no_python_is_killed_and_replaced(run, which):
    script = run(in_native_code=which == "in native code", beats=False, silence=1)
    stuck = {pid(line) for line in script.until("worker", 2)}
    if which == "suspended":
        for one in stuck:
            os.kill(one, signal.SIGSTOP)
    assert {pid(line) for line in script.until("died", 2)} == stuck
    script.until("worker", 3)
    os.killpg(script.process.pid, signal.SIGKILL)
    assert script.process.stderr is not None
    if which == "in native code":
        assert "in work" in script.process.stderr.read()


def test_a_worker_that_is_stopped_does_not_keep_the_parent_from_ending(run):
    """SIGSTOP stands for any hang: a disk, a plug-in, a pathological input."""
    script = run(limit=1)
    script.until("ready")
    first, second = script.until("worker", 2)
    os.kill(pid(first), signal.SIGSTOP)
    script.signal(signal.SIGTERM)
    assert script.until("code") == ["code 1"]
    assert {pid(line) for line in script.until("died", 2)} == {pid(first), pid(second)}


def test_a_second_signal_kills_what_does_not_end_by_itself(run):
    script = run(obedient=False)
    script.until("ready")
    script.signal(signal.SIGTERM)
    time.sleep(0.2)
    script.signal(signal.SIGTERM)
    assert script.until("code") == ["code 1"]


def test_a_worker_that_hangs_before_it_is_ready_can_be_stopped(run):
    script = run(beats=False, obedient=False, silence=1000, limit=1)
    script.until("worker", 2)
    script.signal(signal.SIGTERM)
    script.until("code")


def test_the_workers_end_when_the_parent_is_killed(run):
    script = run()
    pids = [pid(line) for line in script.until("worker", 2)]
    script.until("ready")
    script.process.kill()
    assert script.process.stdout is not None
    assert script.process.stdout.read() == ""  # an end: nobody has it open any more
    for one in pids:
        assert not Path(f"/proc/{one}/cmdline").exists() or not Path(f"/proc/{one}/cmdline").read_bytes()


def test_a_stop_lets_nobody_in_and_starts_nobody():
    listener = socket.create_server(("127.0.0.1", 0))
    workers = Workers(listener, work=lambda *_: None, reload=lambda: None, died=lambda _: None, stop_limit_s=1)
    workers._stop(signal.SIGTERM, None)
    assert listener.fileno() == -1
    workers._fork(0)  # would run the work, and end this process


def test_a_parent_that_was_suspended_does_not_take_its_workers_for_stuck():
    workers = Workers(socket.socket(), work=lambda *_: None, reload=lambda: None, died=lambda _: None, stop_limit_s=1)
    from octoroute.server.workers import Child

    child = workers._children[-1] = Child(-1, 0, 0.0)
    workers._beats = memoryview(bytearray(8)).cast("q")
    workers._kill_stuck(1000.0, 900.0)
    assert child.silent_s < 5
    workers._listener.close()
