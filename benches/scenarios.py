"""What is asked of every proxy: one table, and how one row of it is run."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import Cores, Running, pinned
from payloads import KEY, PAYLOADS
from rivals import Proxy

Row = dict[str, Any]

STREAM_EVENTS = 50


@dataclass(frozen=True)
class Scenario:
    key: str
    title: str
    payload: str
    connections: int
    knobs: dict[str, int] = field(default_factory=dict)
    expect: int = 1
    """Stamped events in a right answer."""
    seconds: float = 1.0
    """Times the run's base length."""
    ramp_s: float = 0.0
    warmup_s: float = 0.4
    offered: float | None = None
    """Requests or events per second that the load offers when nothing holds it up; None: as fast as it goes."""
    per: str = "request"
    memory: bool = False
    """Started afresh, its memory read under the load, and the upstream's connections counted after it."""
    rounds: int | None = None
    only: tuple[str, ...] = ()
    short: bool = False
    needs_files: int = 256


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number > 1 else ''}"


_UNARY = tuple(
    Scenario(
        f"unary-{size}k-c{connections}",
        f"{size} KB, {_counted(connections, 'connection')}",
        f"{size}k",
        connections,
        short=connections in shown,
    )
    for size, shown in ((1, (1, 64)), (32, (16,)))
    for connections in (1, 16, 64)
)
_WAITING = tuple(
    Scenario(
        f"wait-c{connections}",
        f"upstream takes 200 ms, {connections:,} connections",
        "1k",
        connections,
        {"delay_ms": 200},
        seconds=2,
        warmup_s=connections / 1000 + 0.5,
        offered=connections * 5,
        needs_files=2 * connections + 500,
    )
    for connections in (500, 2000)
)
_PACED = tuple(
    Scenario(
        f"stream-10ms-c{connections}",
        f"an event each 10 ms, {_counted(connections, 'stream')}",
        "stream",
        connections,
        {"chunk_delay_ms": 10},
        expect=STREAM_EVENTS,
        seconds=2,
        offered=connections * 50 / 0.52,  # a stream's 53 events take 52 pauses, and the next stream begins at once
        per="event",
        short=connections == 64,
    )
    for connections in (1, 64)
)
_SLOW = tuple(
    Scenario(
        f"slow-{streams}",
        f"{streams:,} streams, an event a second",
        "stream",
        streams,
        {"chunk_delay_ms": 1000, "chunks": 1_000_000},
        seconds=4,
        ramp_s=2 + streams / 600,
        warmup_s=2.5,
        offered=streams,
        per="event",
        memory=True,
        rounds=1,
        needs_files=2 * streams + 500,
    )
    for streams in (1000, 5000)
)
_BURST = Scenario(
    "stream-0ms-c16", "streams without pause, 16 connections", "stream", 16, expect=STREAM_EVENTS, per="event", short=True
)
_TRANSLATED = Scenario(
    "translated-0ms-c16",
    "Anthropic client, OpenAI server, streams without pause, 16 connections",
    "translated",
    16,
    expect=STREAM_EVENTS,
    per="event",
    only=("octoroute",),
)
_WORKERS = Scenario("workers-c64", "1 KB, 64 connections, two workers on two cores", "1k", 64, only=("octoroute", "octoroute-2w"))

SCENARIOS = {s.key: s for s in (*_UNARY, *_WAITING, _BURST, *_PACED, *_SLOW, _TRANSLATED, _WORKERS)}

DEFAULT_KNOBS = {"delay_ms": 0, "chunks": STREAM_EVENTS, "chunk_delay_ms": 0, "chunked": 0}


def control(upstream: int, knobs: dict[str, int] | None = None) -> dict[str, int]:
    """Turns the upstream's knobs and returns its state."""
    connection = http.client.HTTPConnection("127.0.0.1", upstream, timeout=10)
    connection.request("GET", "/ctl?" + "&".join(f"{name}={value}" for name, value in (knobs or {}).items()))
    state: dict[str, int] = json.loads(connection.getresponse().read())
    connection.close()
    return state


def ask(proxy: Proxy, payload: str, timeout_s: float = 20) -> tuple[int, dict[str, str], bytes]:
    """One request, answered: (status, headers, body)."""
    what = PAYLOADS[payload]
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=timeout_s)
    try:
        connection.request("POST", what.path, what.body, {"content-type": "application/json", **request_headers(proxy)})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def request_headers(proxy: Proxy) -> dict[str, str]:
    return {"authorization": f"Bearer {KEY}", **proxy.headers}


@dataclass(frozen=True)
class Tools:
    """What every measurement needs: the load's program, the upstream's port, a folder, the cores, and the base length."""

    load: Path
    upstream: int
    run: Path
    cores: Cores
    seconds: float


def measure(scenario: Scenario, proxy: Proxy, running: Running | None, tools: Tools) -> Row:
    """One row: what the load saw and what the proxy cost meanwhile. A row with `error` has no figures."""
    before = control(tools.upstream, DEFAULT_KNOBS | scenario.knobs)["cur"]
    request = tools.run / f"{proxy.name}-{scenario.payload}.http"
    request.write_bytes(PAYLOADS[scenario.payload].wire(proxy.port, request_headers(proxy)))
    length = tools.seconds * scenario.seconds
    arguments = {
        "port": proxy.port,
        "request": request,
        "connections": scenario.connections,
        "seconds": length,
        "warmup": scenario.warmup_s,
        "ramp": scenario.ramp_s,
        "expect": scenario.expect,
    }
    command = pinned([str(tools.load), *(f"--{name}={value}" for name, value in arguments.items())], tools.cores.rest)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        row: Row = {}
        if process.stdout.readline():
            cpu, at = (running.cpu_s() if running else 0.0), time.monotonic()
            if scenario.memory and running:
                time.sleep(length * 0.6)
                row["pss_mb"] = running.pss_mb()
            line = process.stdout.readline()
            used, took = (running.cpu_s() if running else 0.0) - cpu, time.monotonic() - at
            if line:
                row |= json.loads(line)
                row |= _costs(scenario, row, used, took, running is not None)
        if process.wait() or "rps" not in row:
            return {"error": process.stderr.read().strip()[-200:] or "the load ended early"}
    if scenario.memory:
        row["released_s"] = seconds_until(lambda: control(tools.upstream)["cur"] <= before + scenario.connections // 100, 10)
    control(tools.upstream, DEFAULT_KNOBS)
    return row


def _costs(scenario: Scenario, row: Row, used_s: float, took_s: float, counted: bool) -> Row:
    costs: Row = {}
    if scenario.offered:
        costs["of_ideal"] = row["eps" if scenario.per == "event" else "rps"] / scenario.offered
        costs["on_time_share"] = row["on_time"] / row["seconds"] / scenario.offered if scenario.per == "event" else None
    if counted:
        costs["util"] = used_s / took_s
        costs["cpu_us_request"] = used_s * 1e6 / row["done"] if row["done"] else None
        costs["cpu_us_event"] = used_s * 1e6 / row["events"] if row["events"] else None
    return costs


def seconds_until(condition: Callable[[], bool], within_s: float) -> float | None:
    """None: it did not happen."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > within_s:
            return None
        time.sleep(0.02)
    return time.monotonic() - start
