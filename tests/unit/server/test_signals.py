"""Signals while the event loop is busy: in a process of its own, because they end it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from octoroute.server.signals import SignalHandlers

ROOT = Path(__file__).resolve().parents[3]

SCRIPT = """
import asyncio, re, time, uvloop
from octoroute.server.signals import SignalHandlers

def busy():
    print("busy", flush=True)
    {busy}

async def main():
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    handlers = SignalHandlers(
        stop=lambda signum: print("stop", signum.name, flush=True), force=done.set, reload=lambda: None, limit_s={limit}
    )
    with handlers.installed(is_worker=False):
        loop.call_later(0.05, busy)
        await done.wait()
    print("end", flush=True)

uvloop.run(main())
"""
STUCK = {"Python": "while True: pass", "a system call": "time.sleep(1000)"}


def started(busy: str, limit: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(busy=busy, limit=limit)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "busy\n"
    return process


@pytest.mark.parametrize("where", STUCK)
def test_two_signals_end_a_process_whose_loop_is_stuck(where):
    process = started(STUCK[where], limit=1000)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "stuck" in out


def test_one_signal_ends_it_after_its_limit():
    process = started(STUCK["Python"], limit=0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 1


def test_a_loop_that_turns_is_told_and_ends_the_process_itself():
    process = started("pass", limit=1000)
    assert process.stdout is not None
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "stop SIGINT\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("end\n", 0)


async def test_the_handlers_that_were_there_come_back():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    reloaded = asyncio.Event()
    handlers = SignalHandlers(stop=lambda _: None, force=lambda: None, reload=reloaded.set, limit_s=1000)
    with handlers.installed(is_worker=True):
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # a terminal sends it to the parent, too
        signal.raise_signal(signal.SIGHUP)
        await reloaded.wait()
    assert {number: signal.getsignal(number) for number in before} == before
